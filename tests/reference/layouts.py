#!/usr/bin/env python3
"""A small model in each layout that the agent reads, and what it finds in a picture according to the reference.

    <cache>/curbwatch/python/bin/python tests/reference/layouts.py FRAME --i420 WIDTHxHEIGHT --out FOLDER

Writes FOLDER/NAME/{model.onnx, manifest.yaml, expected.json} for each layout and prints their names. The models hold the same objects,
written as the layout writes them; their scores rise with the mean of one of the three colour planes, so that a picture that is fed wrong
(colours, range, order of dimensions) shows in them. `auto` in expected.json says whether the layout can be recognised without help.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

import detect
from decoders import decode

WIDTH, HEIGHT = 160, 96
CLASSES = ["person", "car", "umbrella", "bus", "dog"]
# Objects: class, score before the picture's share, left, top, right, bottom in 0..1 of the input, and the stride whose cells see it.
OBJECTS = [
    (0, 0.50, 0.225, 0.26, 0.285, 0.57, 8),
    (1, 0.55, 0.42, 0.52, 0.58, 0.70, 8),
    (2, 0.60, 0.62, 0.18, 0.74, 0.45, 8),
    # The first one once more, a little beside it: to be suppressed, unless the model's family leaves that to itself.
    (0, 0.35, 0.229, 0.27, 0.289, 0.58, 16),
    (3, 0.65, 0.14, 0.70, 0.24, 0.95, 8),
    # Too faint to be decoded.
    (4, 0.01, 0.70, 0.70, 0.80, 0.90, 8),
]
# How much the mean of a colour plane adds to a score when all of the picture is white.
SHARE = 0.2
NCHW = {"name": "images", "width": WIDTH, "height": HEIGHT, "layout": "nchw", "color": "rgb", "scale": 1 / 255, "resize": "letterbox", "pad": 114}
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
STRIDES = (8, 16, 32)


class Tensor:
    """An output: numbers that are constant, and how much of each colour's mean is added where."""

    def __init__(self, *shape):
        self.values = np.zeros(shape)
        self.shares = np.zeros((3, *shape))

    def put(self, place, numbers):
        self.values[place] = numbers

    def put_score(self, place, index, score, unit=1.0):
        self.values[place] = score
        self.shares[index % 3][place] = SHARE * unit


def box(kind, left, top, right, bottom):
    """In the form `kind` and in pixels, or normalised where `kind` ends in n."""
    size = np.array([1, 1, 1, 1]) if kind.endswith("n") else np.array([WIDTH, HEIGHT, WIDTH, HEIGHT])
    left, top, right, bottom = np.array([left, top, right, bottom]) * size
    return {
        "xyxy": [left, top, right, bottom],
        "yxyx": [top, left, bottom, right],
        "cxcywh": [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top],
    }[kind.removesuffix("n")]


def scattered(kind, count):
    """Boxes all over the picture, for places that hold nothing."""
    generator = np.random.default_rng(7)
    first = generator.uniform(0, 0.8, (count, 2))
    second = first + generator.uniform(0.05, 0.2, (count, 2))
    return np.array([box(kind, *a, *b) for a, b in zip(first, second)])


def cells():
    return [(x, y, s) for s in STRIDES for y in range(HEIGHT // s) for x in range(WIDTH // s)]


def cell_of(left, top, right, bottom, stride):
    x, y = (left + right) / 2 * WIDTH / stride, (top + bottom) / 2 * HEIGHT / stride
    return cells().index((int(x), int(y), stride)), x, y


def rows_of_boxes(kind, scale=lambda score: score, count=64, background=0):
    """Boxes and scores in two tensors; `background` nameless classes come first."""
    boxes, scores = Tensor(1, count, 4), Tensor(1, count, background + len(CLASSES))
    boxes.values[0] = scattered(kind, count)
    scores.values[:] = scale(0.02)
    for index, (label, score, *place, _) in enumerate(OBJECTS):
        row = 5 + 7 * index
        boxes.put((0, row), box(kind, *place))
        scores.put_score((0, row, background + label), index, scale(score))
    return {"boxes": boxes, "scores": scores}


def logit(probability):
    return np.log(probability / (1 - probability))


def yolov5():
    rows = Tensor(1, len(cells()) * 3, 5 + len(CLASSES))
    rows.values[0, :, :4] = scattered("cxcywh", rows.values.shape[1])
    rows.values[0, :, 5:] = 0.3
    for index, (label, score, *place, _) in enumerate(OBJECTS):
        row = 11 + 90 * index
        rows.put((0, row, slice(0, 4)), box("cxcywh", *place))
        rows.put_score((0, row, 4), index, score)
        rows.put((0, row, 5 + label), 0.95)
    return {"output": rows}


def yolov8():
    columns = Tensor(1, 4 + len(CLASSES), len(cells()))
    columns.values[0, :4] = scattered("cxcywh", len(cells())).T
    for index, (label, score, *place, stride) in enumerate(OBJECTS):
        column = cell_of(*place, stride)[0]
        columns.put((0, slice(0, 4), column), box("cxcywh", *place))
        columns.put_score((0, 4 + label, column), index, score)
    return {"output0": columns}


def yolo_end_to_end():
    rows = Tensor(1, 300, 6)
    for index, (label, score, *place, _) in enumerate(OBJECTS):
        rows.put((0, index, slice(0, 4)), box("xyxy", *place))
        rows.put_score((0, index, 4), index, score)
        rows.put((0, index, 5), label)
    return {"output0": rows}


def yolox():
    rows = Tensor(1, len(cells()), 5 + len(CLASSES))
    rows.values[0, :, 2:4] = 0.5
    for index, (label, score, *place, stride) in enumerate(OBJECTS):
        cell, x, y = cell_of(*place, stride)
        width, height = (place[2] - place[0]) * WIDTH / stride, (place[3] - place[1]) * HEIGHT / stride
        rows.put((0, cell, slice(0, 4)), [x - int(x), y - int(y), np.log(width), np.log(height)])
        rows.put_score((0, cell, 4), index, score)
        rows.put((0, cell, 5 + label), 0.95)
    return {"output": rows}


def distances(origin, left, top, right, bottom, stride):
    """4 × 8 logits whose softmax has the distances to the sides as its expectation."""
    cell, x, y = cell_of(left, top, right, bottom, stride)
    x, y = int(x) + origin, int(y) + origin
    places = np.array([left * WIDTH, top * HEIGHT, right * WIDTH, bottom * HEIGHT]) / stride
    # A cell's corner may lie outside of a box; its distance to that side is then nought.
    sides = np.maximum([x - places[0], y - places[1], places[2] - x, places[3] - y], 0)
    logits = np.full((4, 8), -9.0)
    for side, distance in enumerate(sides):
        low = int(np.floor(distance))
        share = np.clip(distance - low, 1e-3, 1 - 1e-3)
        logits[side, low], logits[side, low + 1] = np.log(1 - share) + 6, np.log(share) + 6
    return cell, logits.ravel()


def distribution(origin, apart):
    count = len(cells())
    scores, sides = Tensor(1, count, len(CLASSES)), Tensor(1, count, 32)
    for index, (label, score, *place, stride) in enumerate(OBJECTS):
        cell, logits = distances(origin, *place, stride)
        sides.put((0, cell), logits)
        scores.put_score((0, cell, label), index, score)
    if not apart:
        rows = Tensor(1, count, len(CLASSES) + 32)
        rows.values = np.concatenate([scores.values, sides.values], axis=2)
        rows.shares = np.concatenate([scores.shares, sides.shares], axis=3)
        return {"output": rows}
    outputs, ends = {}, np.cumsum([0] + [WIDTH // s * (HEIGHT // s) for s in STRIDES])
    for kind, tensor in (("cls", scores), ("dis", sides)):
        for stride, start, end in zip(STRIDES, ends, ends[1:]):
            part = Tensor(1, end - start, tensor.values.shape[2])
            part.values, part.shares = tensor.values[:, start:end], tensor.shares[:, :, start:end]
            outputs[f"{kind}_stride_{stride}"] = part
    return outputs


def listed(kind, names, label_offset=0, with_count=False):
    count = 40
    outputs = {names[0]: Tensor(1, count, 4), names[1]: Tensor(1, count), names[2]: Tensor(1, count)}
    for index, (label, score, *place, _) in enumerate(OBJECTS):
        outputs[names[0]].put((0, index), box(kind, *place))
        outputs[names[1]].put((0, index), label + label_offset)
        outputs[names[2]].put_score((0, index), index, score)
    if with_count:
        outputs[names[3]] = Tensor(1)
        # The last one, the bus, does not count.
        outputs[names[3]].put(0, 4)
    return outputs


def heat_map(names, classes, is_face):
    height, width = HEIGHT // 4, WIDTH // 4
    heat, sizes, offsets = Tensor(1, classes, height, width), Tensor(1, 2, height, width), Tensor(1, 2, height, width)
    for index, (label, score, left, top, right, bottom, stride) in enumerate(OBJECTS):
        if stride != 8 or label >= classes:
            continue
        x, y = (left + right) / 2 * width, (top + bottom) / 2 * height
        column, row = int(x), int(y)
        w, h = (right - left) * width, (bottom - top) * height
        # The neighbours see it too, less clearly.
        for step_y in (-1, 0, 1):
            for step_x in (-1, 0, 1):
                place = (0, label, row + step_y, column + step_x)
                heat.put_score(place, index, score if step_x == step_y == 0 else 0.4 * score)
                map_place = (0, slice(None), row + step_y, column + step_x)
                sizes.put(map_place, [np.log(h), np.log(w)] if is_face else [w, h])
                dx, dy = x - column - step_x, y - row - step_y
                offsets.put(map_place, [dy - 0.5, dx - 0.5] if is_face else [dx, dy])
    outputs = dict(zip(names, (heat, sizes, offsets)))
    if is_face:
        outputs["landmarks"] = Tensor(1, 10, height, width)
    return outputs


def layouts():
    """Name → outputs, manifest entries beside them, whether they can be recognised, element types."""
    stretch = NCHW | {"resize": "stretch", "pad": 0}
    background = {"classes": ["", *CLASSES]}
    lists = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")
    softmax = rows_of_boxes("xyxyn", lambda score: np.log(score), background=1)
    softmax["scores"].values[0, :, 0] = np.log(0.5)
    pairs = rows_of_boxes("cxcywhn", logit, count=300)
    plain = {"nms_iou": 1.0}
    return {
        "yolo_boxes_scores": (rows_of_boxes("cxcywh"), {}, True),
        "yolov5_f16": (yolov5(), {"decoder": "yolov5", "input": NCHW | {"dtype": "f16"}, "elements": TensorProto.FLOAT16}, True),
        "yolov8": (yolov8(), {"decoder": "yolov8"}, True),
        "yolov8_dynamic": (yolov8(), {"decoder": "yolov8", "is_dynamic": True, "names_in_metadata": True}, True),
        "yolo_end_to_end": (yolo_end_to_end(), {"decoder": "yolo_end_to_end"} | plain, True),
        "yolox": (yolox(), {"decoder": "yolox", "input": NCHW | {"color": "bgr", "scale": 1.0}}, True),
        "nanodet": (
            distribution(0.0, apart=False),
            {"decoder": "nanodet", "input": NCHW | {"color": "bgr", "scale": 1.0, "mean": [103.53, 116.28, 123.675], "std": [57.375, 57.12, 58.395]}},
            True,
        ),
        "picodet": (distribution(0.5, apart=True), {"decoder": "picodet", "input": stretch | IMAGENET}, True),
        "ssd": (rows_of_boxes("xyxyn"), {"decoder": "ssd", "input": stretch}, True),
        "ssd_softmax": (softmax, {"decoder": "ssd", "scores": "softmax", "input": stretch} | background, False),
        "tf_ssd": (
            listed("yxyxn", lists, label_offset=1, with_count=True),
            {"decoder": "tf_ssd", "input": stretch | {"layout": "nhwc", "dtype": "u8", "scale": 1.0}} | background | plain,
            True,
        ),
        "centernet": (heat_map(("hm", "wh", "reg"), len(CLASSES), is_face=False), {"decoder": "centernet", "input": stretch | {"color": "bgr"} | IMAGENET}, True),
        "centerface": (heat_map(("537", "538", "539"), 1, is_face=True), {"decoder": "centerface", "classes": ["face"], "input": NCHW | {"scale": 1.0, "pad": 0}}, True),
        "detr": (
            {"pred_boxes": pairs["boxes"], "logits": pairs["scores"]},
            {"decoder": "detr", "input": stretch | {"layout": "nhwc"} | IMAGENET} | plain,
            True,
        ),
        "listed": (
            {name: tensor for name, tensor in listed("xyxy", ("boxes", "labels", "scores")).items()},
            {"decoder": "listed", "input": stretch | {"size_input": "orig_target_sizes"}, "integers": ["labels"]} | plain,
            True,
        ),
    }


def build(outputs, form, options):
    """The graph: each output is its constants and, for each colour, the plane's mean times its shares."""
    elements = {"f32": TensorProto.FLOAT, "f16": TensorProto.FLOAT16, "u8": TensorProto.UINT8}[form["dtype"]]
    sides = ["height", "width"] if options.get("is_dynamic") else [HEIGHT, WIDTH]
    batch = "batch" if options.get("is_dynamic") else 1
    shape = [batch, 3, *sides] if form["layout"] == "nchw" else [batch, *sides, 3]
    axes = [2, 3] if form["layout"] == "nchw" else [1, 2]
    inputs = [helper.make_tensor_value_info(form["name"], elements, shape)]
    nodes, constants = [], []

    def constant(name, values):
        constants.append(numpy_helper.from_array(values, name))
        return name

    nodes.append(helper.make_node("Cast", [form["name"]], ["picture"], to=TensorProto.FLOAT))
    nodes.append(helper.make_node("ReduceMean", ["picture"], ["means"], axes=axes, keepdims=0))
    if "size_input" in form:
        inputs.append(helper.make_tensor_value_info(form["size_input"], TensorProto.INT64, [1, 2]))
        # Boxes come in the size asked for: the constants are divided by the input's, and multiplied by what is given.
        nodes.append(helper.make_node("Cast", [form["size_input"]], ["size"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Concat", ["size", "size"], ["sizes"], axis=1))
    declared = []
    for name, tensor in outputs.items():
        element = options.get("elements", TensorProto.FLOAT)
        if name in options.get("integers", []):
            element = TensorProto.INT64
        declared_shape = [batch if tensor.values.ndim > 1 else 1, *tensor.values.shape[1:]]
        declared.append(helper.make_tensor_value_info(name, element, declared_shape))
        values = tensor.values
        if name == "boxes" and "size_input" in form:
            values = values / [WIDTH, HEIGHT, WIDTH, HEIGHT]
        # The means are of values after scale, mean and std: white minus black is what a score's share is divided by.
        white = np.array([255 * form["scale"]] * 3) / form["std"]
        shares = (tensor.shares.reshape(3, -1) / white[:, None]).astype(np.float32)
        black = -(np.array(form["mean"]) / form["std"]) @ shares
        flat = constant(f"{name}/constant", (values.ravel() - black).astype(np.float32)[None])
        shape_name = constant(f"{name}/shape", np.array(tensor.values.shape, dtype=np.int64))
        nodes.append(helper.make_node("MatMul", ["means", constant(f"{name}/shares", shares)], [f"{name}/added"]))
        nodes.append(helper.make_node("Add", [f"{name}/added", flat], [f"{name}/flat"]))
        nodes.append(helper.make_node("Reshape", [f"{name}/flat", shape_name], [f"{name}/shaped"]))
        last = f"{name}/shaped"
        if name == "boxes" and "size_input" in form:
            nodes.append(helper.make_node("Mul", [last, "sizes"], [f"{name}/sized"]))
            last = f"{name}/sized"
        nodes.append(helper.make_node("Cast", [last], [name], to=element))
    graph = helper.make_graph(nodes, "layout", inputs, declared, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if options.get("names_in_metadata"):
        helper.set_model_props(model, {"names": str(dict(enumerate(CLASSES)))})
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frame")
    parser.add_argument("--i420", metavar="WIDTHxHEIGHT", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--confidence", type=float, default=0.10)
    arguments = parser.parse_args()
    image = detect.read_i420(arguments.frame, arguments.i420)
    width, height = image.size

    for name, (outputs, options, is_recognised) in layouts().items():
        folder = arguments.out / name
        folder.mkdir(parents=True)
        form = options.get("input", NCHW)
        complete = {"dtype": "f32", "mean": [0, 0, 0], "std": [1, 1, 1]} | form
        model = build(outputs, complete, options)
        data = model.SerializeToString(deterministic=True)
        (folder / "model.onnx").write_bytes(data)
        read = [(n, list(t.values.shape)) for n, t in outputs.items() if n != "landmarks"]
        manifest = {
            "name": name,
            "file": "model.onnx",
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_bytes": len(data),
            "licence": "none",
            "source": "tests/reference/layouts.py",
            "input": form,
            "decoder": options.get("decoder", name),
            "outputs": [{"name": n, "shape": s} for n, s in read],
            "thresholds": {"confidence": 0.25, "nms_iou": options.get("nms_iou", 0.45)},
            "classes": options.get("classes", CLASSES),
        } | ({"scores": options["scores"]} if "scores" in options else {})
        (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
        recognised = {k: v for k, v in manifest.items() if k not in ("decoder", "outputs", "scores")}
        if options.get("names_in_metadata"):
            del recognised["classes"]
        (folder / "auto.yaml").write_text(yaml.safe_dump(recognised, sort_keys=False))

        tensor = detect.to_tensor(image, complete)
        manifest["input"] = complete
        found = decode(detect.run(detect.session_of(folder / "model.onnx"), manifest, tensor), manifest)
        limits = (arguments.confidence, manifest["thresholds"]["nms_iou"])
        detections = [
            {"index": i, "confidence": c, "bbox": [float(v) for v in corners]}
            for i, c, corners in detect.detections_of(found, (width, height), complete, limits)
        ]
        expected = {"width": width, "height": height, "auto": is_recognised, "detections": detections}
        (folder / "expected.json").write_text(json.dumps(expected))
        print(name)


if __name__ == "__main__":
    main()
