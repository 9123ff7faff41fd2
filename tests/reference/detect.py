#!/usr/bin/env python3
"""Reference detector: what an image holds according to the model, by a path that shares no code with the agent's.

    <cache>/curbwatch/python/bin/python tests/reference/detect.py IMAGE [--raw WIDTHxHEIGHT | --i420 WIDTHxHEIGHT] [options]

IMAGE is a PNG, PPM or JPEG, or with --raw WIDTHxHEIGHT a file (`-`: standard input) of packed 8-bit RGB,
or with --i420 WIDTHxHEIGHT a file of packed I420. The model and
its manifest are those that `make setup` installs; --model and --manifest take others.

Prints one JSON object:

    {"width": 768, "height": 576,
     "detections": [{"class": "person", "index": 0, "confidence": 0.91, "bbox": [left, top, right, bottom]}, …]}

best first; boxes are 0..1 in the image and clipped to it.

--tensor FILE takes the input tensor (little-endian float32, the manifest's shape) in place of the picture's, so that
preprocessing can be left out of a comparison; the image's size is still needed to map the boxes back.
"""

import argparse
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import yaml
from PIL import Image

from decoders import decode

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "curbwatch"


def read_manifest(path: Path) -> dict:
    """The manifest with the defaults of its input filled in."""
    manifest = yaml.safe_load(path.read_text())
    manifest["input"] = {"dtype": "f32", "mean": [0, 0, 0], "std": [1, 1, 1], "pad": 0} | manifest["input"]
    return manifest


@dataclass
class Picture:
    """A picture in full colour: float64 [height, width, 3], R, G, B from 0 to 255."""

    colors: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.colors.shape[1], self.colors.shape[0]

    def part(self, left: int, top: int, right: int, bottom: int) -> "Picture":
        return Picture(self.colors[top:bottom, left:right])


def upsample(plane: np.ndarray) -> np.ndarray:
    """Twice as many samples in both directions, as JPEG decoders make them ("fancy upsampling" of libjpeg): three quarters of the nearest
    sample, one quarter of the next."""

    def rows(samples: np.ndarray) -> np.ndarray:
        padded = np.pad(samples, ((1, 1), (0, 0)), mode="edge")
        doubled = np.empty((2 * samples.shape[0], samples.shape[1]))
        doubled[0::2] = 0.75 * padded[1:-1] + 0.25 * padded[:-2]
        doubled[1::2] = 0.75 * padded[1:-1] + 0.25 * padded[2:]
        return doubled

    return rows(rows(plane).T).T


def read_i420(path: str | Path, size: str) -> Picture:
    """A file of packed I420 (BT.601, limited range, even size), brought to full colour: chroma to luma's size, then RGB, cut to what can
    be shown. Only then is anything scaled, as where models are trained."""
    width, height = (int(side) for side in size.split("x"))
    data = np.fromfile(path, dtype=np.uint8).astype(np.float64)
    luma, chroma = width * height, width * height // 4
    if len(data) != luma + 2 * chroma:
        raise SystemExit(f"{path} has {len(data)} bytes, {width}×{height} I420 has {luma + 2 * chroma}")
    halves = [plane.reshape(height // 2, width // 2) for plane in np.split(data[luma:], 2)]
    y = (data[:luma].reshape(height, width) - 16) * 255 / 219
    cb, cr = ((upsample(plane) - 128) * 255 / 224 for plane in halves)
    colors = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=-1)
    return Picture(np.clip(colors, 0, 255))


def read_image(path: str, raw_size: str | None) -> Picture:
    if raw_size is None:
        return of_rgb(np.asarray(Image.open(path).convert("RGB")))
    width, height = (int(side) for side in raw_size.split("x"))
    data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    if len(data) != width * height * 3:
        raise SystemExit(f"{path} has {len(data)} bytes, {width}×{height} RGB has {width * height * 3}")
    return of_rgb(np.frombuffer(data, dtype=np.uint8).reshape(height, width, 3))


def of_rgb(image: np.ndarray) -> Picture:
    """From uint8 [height, width, 3]."""
    return Picture(image.astype(np.float64))


def placement(width: int, height: int, form: dict) -> tuple[np.ndarray, np.ndarray]:
    """Scales (x, y) and border (left, top) in model pixels of an image in the input that `form` describes. Letterboxed, it is fitted evenly
    and centred, in whole pixels as a library resizes it (ultralytics' LetterBox)."""
    source, model = np.array([width, height]), np.array([form["width"], form["height"]])
    if form["resize"] == "stretch":
        return model / source, np.zeros(2)
    fitted = np.floor(source * (model / source).min() + 0.5)
    return fitted / source, np.floor((model - fitted) / 2)


def to_tensor(image: Picture, form: dict) -> np.ndarray:
    """The input tensor: sampled bilinearly where the middle of an input pixel lies in the picture."""
    width, height = image.size
    scales, borders = placement(width, height, form)
    share_x = (np.arange(form["width"]) + 0.5 - borders[0]) / scales[0] / width
    share_y = (np.arange(form["height"]) + 0.5 - borders[1]) / scales[1] / height

    def between(shares: np.ndarray, side: int):
        position = np.clip(shares * side - 0.5, 0, side - 1)
        low = np.floor(position).astype(int)
        return low, np.minimum(low + 1, side - 1), (position - low)[:, None]

    x0, x1, fx = between(share_x, width)
    y0, y1, fy = between(share_y, height)
    upper = image.colors[y0][:, x0] * (1 - fx) + image.colors[y0][:, x1] * fx
    lower = image.colors[y1][:, x0] * (1 - fx) + image.colors[y1][:, x1] * fx
    fitted = upper * (1 - fy[:, None]) + lower * fy[:, None]
    inside = ((share_y >= 0) & (share_y < 1))[:, None] & ((share_x >= 0) & (share_x < 1))[None]
    fitted[~inside] = form["pad"]
    if form["color"] == "bgr":
        fitted = fitted[:, :, ::-1]
    values = (fitted * form["scale"] - form["mean"]) / form["std"]
    if form["layout"] == "nchw":
        values = values.transpose(2, 0, 1)
    if form["dtype"] == "u8":
        values = np.rint(values)
    return values.astype({"f32": np.float32, "f16": np.float16, "u8": np.uint8}[form["dtype"]])[None]


def iou(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of one ltrb box with each of others."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    intersection = np.prod(np.maximum(sides, 0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    return intersection / np.maximum(np.prod(box[2:] - box[:2]) + areas - intersection, 1e-12)


def detections_of(
    found: tuple[np.ndarray, np.ndarray, np.ndarray], size: tuple[int, int], form: dict, limits: tuple[float, float]
) -> list[tuple[int, float, np.ndarray]]:
    """(class, confidence, ltrb 0..1) after the threshold and non-maximum suppression within each class.

    `found` holds boxes (ltrb in input pixels), classes and confidences. A limit of 1 suppresses nothing.
    """
    (width, height), (confidence_limit, iou_limit) = size, limits
    scales, borders = placement(width, height, form)
    boxes, classes, confidences = found
    kept = confidences >= confidence_limit
    boxes, classes, confidences = boxes[kept].astype(np.float64), classes[kept], confidences[kept]
    corners = (boxes - np.tile(borders, 2)) / np.tile(scales, 2) / [width, height, width, height]
    corners = np.clip(corners, 0, 1)

    result = []
    for index in np.unique(classes):
        candidates = np.flatnonzero(classes == index)
        candidates = candidates[np.argsort(-confidences[candidates], kind="stable")]
        while candidates.size:
            best, candidates = candidates[0], candidates[1:]
            result.append((int(index), float(confidences[best]), corners[best]))
            if iou_limit < 1:
                candidates = candidates[iou(corners[best], corners[candidates]) < iou_limit]
    return sorted(result, key=lambda detection: -detection[1])


def session_of(model: Path) -> onnxruntime.InferenceSession:
    """On one thread of the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(session: onnxruntime.InferenceSession, manifest: dict, tensor: np.ndarray) -> list[np.ndarray]:
    """The outputs in the manifest's order."""
    form = manifest["input"]
    inputs = {form["name"]: tensor}
    if "size_input" in form:
        inputs[form["size_input"]] = np.array([[form["width"], form["height"]]], dtype=np.int64)
    return session.run([output["name"] for output in manifest["outputs"]], inputs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image")
    parser.add_argument("--raw", metavar="WIDTHxHEIGHT")
    parser.add_argument("--i420", metavar="WIDTHxHEIGHT")
    parser.add_argument("--tensor", type=Path)
    parser.add_argument("--manifest", type=Path, default=ROOT / "models/yolov4-tiny-416.yaml")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--confidence", type=float)
    parser.add_argument("--nms-iou", type=float)
    arguments = parser.parse_args()

    manifest = read_manifest(arguments.manifest)
    model = arguments.model or CACHE / "models" / manifest["name"] / manifest["file"]
    form = manifest["input"]
    image = read_i420(arguments.image, arguments.i420) if arguments.i420 else read_image(arguments.image, arguments.raw)
    width, height = image.size

    if arguments.tensor:
        sides = (form["height"], form["width"])
        shape = (1, 3, *sides) if form["layout"] == "nchw" else (1, *sides, 3)
        tensor = np.fromfile(arguments.tensor, dtype="<f4").reshape(shape)
    else:
        tensor = to_tensor(image, form)
    limits = (
        manifest["thresholds"]["confidence"] if arguments.confidence is None else arguments.confidence,
        manifest["thresholds"]["nms_iou"] if arguments.nms_iou is None else arguments.nms_iou,
    )
    found = detections_of(decode(run(session_of(model), manifest, tensor), manifest), (width, height), form, limits)
    names = manifest["classes"]
    detections = [
        {"class": names[i], "index": i, "confidence": round(c, 6), "bbox": [round(float(v), 6) for v in box]}
        for i, c, box in found
    ]
    print(json.dumps({"width": width, "height": height, "detections": detections}))


if __name__ == "__main__":
    main()
