#!/usr/bin/env python3
"""Models that are broken or mean harm, each in its own way.

    <cache>/curbwatch/python/bin/python tests/reference/hostile.py --out FOLDER

Writes FOLDER/NAME/{model.onnx, manifest.yaml, expected.json}; expected.json says what a message about it must name. The manifests are
right about files, hashes and shapes as long as nothing else is said, so that only the model itself can be refused. Detectable objects
are in all of them.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper

import layouts

NCHW = layouts.NCHW | {"dtype": "f32", "mean": [0, 0, 0], "std": [1, 1, 1]}
# The first object's row or column in the layouts below.
YOLOV5_ROW = 11
LISTS = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")


def yolov5(column, value):
    outputs = layouts.yolov5()
    outputs["output"].put((0, YOLOV5_ROW, column), value)
    return outputs


def end_to_end(column, value):
    outputs = layouts.yolo_end_to_end()
    outputs["output0"].put((0, 0, column), value)
    return outputs


def tf_ssd(name, value):
    outputs = layouts.listed("yxyxn", LISTS, label_offset=1, with_count=True)
    place = 0 if name == "num_detections" else (0, 0)
    outputs[name].put(place, value)
    return outputs


def flood():
    """More sure boxes than any picture holds."""
    rows = layouts.Tensor(1, 20_000, 5 + len(layouts.CLASSES))
    rows.values[0, :, :4] = layouts.scattered("cxcywh", 20_000)
    rows.values[0, :, 4:6] = 0.9
    return {"output": rows}


def all_not_a_number():
    outputs = layouts.yolov8()
    outputs["output0"].values[:] = np.nan
    return outputs


def models():
    """Name → outputs, decoder, what a message must name beside the model, options of the manifest and of the file."""
    tf = {"classes": ["", *layouts.CLASSES]}
    return {
        "nan_score": (yolov5(5, np.nan), "yolov5", ["output", "not finite"], {}),
        "nan_objectness": (yolov5(4, np.nan), "yolov5", ["output", "not finite"], {}),
        "infinite_box": (yolov5(2, np.inf), "yolov5", ["output", "not finite"], {}),
        "negative_size": (yolov5(3, -40.0), "yolov5", ["output", "negative size"], {}),
        "all_nan": (all_not_a_number(), "yolov8", ["output0", "not finite"], {}),
        "corners_swapped": (end_to_end(slice(0, 4), [90, 60, 20, 10]), "yolo_end_to_end", ["output0", "negative size"], {}),
        "score_above_one": (end_to_end(4, 7.5), "yolo_end_to_end", ["output0", "7.5", "no probability"], {}),
        "class_beyond": (end_to_end(5, 5), "yolo_end_to_end", ["output0", "class 5"], {}),
        "class_negative": (end_to_end(5, -1), "yolo_end_to_end", ["output0", "class -1"], {}),
        "class_between": (end_to_end(5, 1.5), "yolo_end_to_end", ["output0", "class 1.5"], {}),
        "count_huge": (tf_ssd("num_detections", 1e9), "tf_ssd", ["num_detections", "1000000000 boxes"], tf),
        "count_negative": (tf_ssd("num_detections", -3), "tf_ssd", ["num_detections", "-3 boxes"], tf),
        "count_nan": (tf_ssd("num_detections", np.nan), "tf_ssd", ["num_detections"], tf),
        "class_nan": (tf_ssd("detection_classes", np.nan), "tf_ssd", ["detection_classes"], tf),
        "flood": (flood(), "yolov5", ["output", "more than 4096"], {}),
        "class_missing": (layouts.yolov8(), "yolov8", ["output0"], {"classes": layouts.CLASSES[:-1], "columns": -1}),
        "class_too_many": (layouts.yolov8(), "yolov8", ["output0"], {"classes": [*layouts.CLASSES, "cat"], "columns": 1}),
        "of_booleans": (layouts.yolov8(), "yolov8", ["output0", "bool"], {"elements": TensorProto.BOOL}),
        "weights_absent": (layouts.yolov8(), "yolov8", ["weights.bin"], {"external": "weights.bin"}),
        "weights_elsewhere": (layouts.yolov8(), "yolov8", [], {"external": "../../../../../../etc/passwd"}),
        "shape_varies": (layouts.yolov8(), "yolov8", ["output0"], {"wrong_rows": True}),
    }


def declare_external(model, location):
    """The weights lie in a file beside the model, of which nobody has seen anything."""
    for tensor in model.graph.initializer:
        # Shapes must be there for the graph to be understood at all.
        if tensor.data_type != TensorProto.FLOAT:
            continue
        size = len(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", str(size))):
            tensor.external_data.add(key=key, value=value)


def change_rows(model):
    """The model declares that its rows are open, and then has one more than its manifest says."""
    (output,) = model.graph.output
    output.type.tensor_type.shape.dim[1].dim_param = "rows"
    last = model.graph.node[-1]
    last.input[0], inner = "padded", last.input[0]
    more = helper.make_node("Concat", [inner, "one_row"], ["padded"], axis=1)
    row = np.zeros((1, 1, output.type.tensor_type.shape.dim[2].dim_value), dtype=np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(row, "one_row"))
    model.graph.node.insert(len(model.graph.node) - 1, more)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    for name, (outputs, decoder, expected, options) in models().items():
        folder = arguments.out / name
        folder.mkdir(parents=True)
        model = layouts.build(outputs, NCHW, {key: options[key] for key in ("elements",) if key in options})
        if "external" in options:
            declare_external(model, options["external"])
        if "wrong_rows" in options:
            change_rows(model)
        data = model.SerializeToString(deterministic=True)
        (folder / "model.onnx").write_bytes(data)
        shapes = {n: list(tensor.values.shape) for n, tensor in outputs.items()}
        for shape in shapes.values():
            shape[1:2] = [shape[1] + options["columns"]] if "columns" in options else shape[1:2]
        manifest = {
            "name": name,
            "file": "model.onnx",
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_bytes": len(data),
            "licence": "none",
            "source": "tests/reference/hostile.py",
            "input": layouts.NCHW,
            "decoder": decoder,
            "outputs": [{"name": n, "shape": shape} for n, shape in shapes.items()],
            "thresholds": {"confidence": 0.25, "nms_iou": 0.45},
            "classes": options.get("classes", layouts.CLASSES),
        }
        (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
        recognised = {key: value for key, value in manifest.items() if key not in ("decoder", "outputs")}
        (folder / "auto.yaml").write_text(yaml.safe_dump(recognised, sort_keys=False))
        (folder / "expected.json").write_text(json.dumps(expected))
        print(name)


if __name__ == "__main__":
    main()
