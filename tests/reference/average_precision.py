#!/usr/bin/env python3
"""What the reference finds in a set of pictures, and the average precision of it and of the agent's detections against one truth.

    <cache>/curbwatch/python/bin/python tests/reference/average_precision.py PICTURES --manifest MANIFEST [--model MODEL]

PICTURES is a JSON file: a list of {"file": packed I420, "width", "height", "detections": the agent's}, each detection
{"index", "confidence", "bbox": [left, top, right, bottom] in 0..1}.

Nobody has labelled these pictures. The truth is what the model itself is sure of (confidence 0.5 and more) when it sees each picture
in full and in four overlapping tiles, so that it sees two pixels where it has one otherwise: boxes that are better than those compared,
of neither of them alone. The figures say how near the two are to each other, and nothing about the model on the street.

Average precision as COCO has it: 101 points, mean over IoU 0.50 to 0.95 and over classes, of which those count that the truth shows
at least ten times (where none is, all).
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np

import detect
from decoders import decode

LEAST_CONFIDENCE = 0.10
SURE = 0.5
TILE_SHARE = 0.6
SAME_THING_IOU = 0.5
LEAST_TRUTHS = 10
IOU_LIMITS = np.arange(0.5, 0.96, 0.05)
RECALLS = np.linspace(0, 1, 101)

Found = list[tuple[int, float, np.ndarray]]


class Reference:
    """A model by the reference's path."""

    def __init__(self, manifest: dict, model: Path):
        self.manifest = manifest
        self.session = detect.session_of(model)

    def find(self, picture: detect.Picture) -> Found:
        form = self.manifest["input"]
        outputs = detect.run(self.session, self.manifest, detect.to_tensor(picture, form))
        limits = (LEAST_CONFIDENCE, self.manifest["thresholds"]["nms_iou"])
        return detect.detections_of(decode(outputs, self.manifest), picture.size, form, limits)

    def truth(self, picture: detect.Picture, whole: Found) -> Found:
        """What it is sure of in the picture and in four tiles of it; what an edge of a tile cuts is left to the others."""
        width, height = picture.size
        tile = (int(width * TILE_SHARE), int(height * TILE_SHARE))
        shares = np.array([tile[0] / width, tile[1] / height] * 2)
        found = [detection for detection in whole if detection[1] >= SURE]
        for left in (0, width - tile[0]):
            for top in (0, height - tile[1]):
                place = np.array([left, top, left, top]) / [width, height, width, height]
                inner = (left > 0, top > 0, left + tile[0] < width, top + tile[1] < height)
                for index, confidence, bbox in self.find(picture.part(left, top, left + tile[0], top + tile[1])):
                    gaps = np.concatenate([bbox[:2], 1 - bbox[2:]])
                    is_cut = any(is_inner and gap < 0.01 for is_inner, gap in zip(inner, gaps))
                    if confidence >= SURE and not is_cut:
                        found.append((index, confidence, place + bbox * shares))
        kept: Found = []
        for index, confidence, bbox in sorted(found, key=lambda detection: -detection[1]):
            others = np.array([other for label, _, other in kept if label == index]).reshape(-1, 4)
            if not (detect.iou(bbox, others) > SAME_THING_IOU).any():
                kept.append((index, confidence, bbox))
        return kept


def average_precision(found: list[Found], truth: list[Found], index: int, limit: float) -> float:
    """Of one class at one overlap."""
    boxes = [np.array([bbox for label, _, bbox in of_picture if label == index]).reshape(-1, 4) for of_picture in truth]
    ranked = [(c, number, bbox) for number, of_picture in enumerate(found) for label, c, bbox in of_picture if label == index]
    taken = [np.zeros(len(of_picture), dtype=bool) for of_picture in boxes]
    hits = []
    for _, number, bbox in sorted(ranked, key=lambda detection: -detection[0]):
        overlaps = np.where(taken[number], 0, detect.iou(bbox, boxes[number]))
        best = overlaps.argmax() if len(overlaps) else -1
        hits.append(bool(len(overlaps)) and overlaps[best] >= limit)
        if hits[-1]:
            taken[number][best] = True
    hits = np.cumsum(hits)
    recall, precision = hits / sum(map(len, boxes)), hits / np.arange(1, len(hits) + 1)
    # The best precision at this recall or beyond, 0 where the recall is not reached.
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, RECALLS)
    return float(np.mean([precision[place] if place < len(precision) else 0.0 for place in places]))


def mean_average_precision(found: list[Found], truth: list[Found]) -> float:
    counts = Counter(label for of_picture in truth for label, _, _ in of_picture)
    labels = [label for label, count in counts.items() if count >= LEAST_TRUTHS] or list(counts)
    return float(np.mean([average_precision(found, truth, label, limit) for label in labels for limit in IOU_LIMITS]))


def plain(found: Found) -> list[dict]:
    return [
        {"index": index, "confidence": confidence, "bbox": [float(side) for side in bbox]}
        for index, confidence, bbox in found
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    arguments = parser.parse_args()
    manifest = detect.read_manifest(arguments.manifest)
    model = arguments.model or detect.CACHE / "models" / manifest["name"] / manifest["file"]
    reference, agent, of_reference, truth = Reference(manifest, model), [], [], []
    pictures = json.loads(arguments.pictures.read_text())
    for picture in pictures:
        image = detect.read_i420(arguments.pictures.parent / picture["file"], f"{picture['width']}x{picture['height']}")
        agent.append([(d["index"], d["confidence"], np.array(d["bbox"])) for d in picture["detections"]])
        of_reference.append(reference.find(image))
        truth.append(reference.truth(image, of_reference[-1]))
    found = [
        {"width": picture["width"], "height": picture["height"], "detections": plain(of_picture)}
        for picture, of_picture in zip(pictures, of_reference)
    ]
    figures = {
        "truths": sum(map(len, truth)),
        "agent": mean_average_precision(agent, truth),
        "reference": mean_average_precision(of_reference, truth),
    }
    print(json.dumps(figures | {"found": found}))


if __name__ == "__main__":
    main()
