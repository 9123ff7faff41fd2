#!/usr/bin/env python3
"""Convert SSDLite MobileNetV2 (COCO) from a TensorFlow.js graph model to ONNX.

    ssdlite_mobilenet_v2.py --folder FOLDER --output model.onnx

FOLDER holds `model.json` and the shards that it names.

Input   images  float32 [1, 3, 300, 300]   RGB, -1..1 (the model's own resizing and scaling are left out)
Output  boxes   float32 [1, 1917, 4]       top, left, bottom, right, 0..1
        scores  float32 [1, 1917, 80]      probabilities of COCO's 80 classes

The network is carried over node by node; ONNX Runtime folds the batch normalisations itself. Its tail, which decodes the boxes, is
written anew with the same constants: Liu et al. 2016, variances 10 and 5. Of the 91 scores the background and COCO's ten unused
numbers are left out. The same inputs give the same bytes on every machine.
"""

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8
SIDE = 300
# Numbers of COCO's 91 that no class has, from 0 for the background.
UNUSED_NUMBERS = {0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
# How far offsets of the centre and logarithms of the size are stretched.
CENTRE_VARIANCE, SIZE_VARIANCE = 10, 5

ANCHORS = "Postprocessor/ExpandDims"
NETWORK_INPUT = "Preprocessor/sub"
DTYPES = {"float32": "<f4", "int32": "<i4"}


@dataclass
class Tensor:
    """An output of a node of the ONNX graph, with its height and width where it is a map."""

    name: str
    height: int
    width: int


def read_weights(folder: Path, manifest: list) -> dict[str, np.ndarray]:
    """Every constant by its name."""
    weights = {}
    for group in manifest:
        data = b"".join((folder / path).read_bytes() for path in group["paths"])
        position = 0
        for weight in group["weights"]:
            if "quantization" in weight:
                raise ValueError(f"{weight['name']} is quantised, which is not converted")
            count = int(np.prod(weight["shape"], dtype=np.int64))
            values = np.frombuffer(data, DTYPES[weight["dtype"]], count, position)
            weights[weight["name"]] = values.reshape(weight["shape"])
            position += values.nbytes
        if position != len(data):
            raise ValueError(f"the shards hold {len(data)} bytes, their weights {position}")
    return weights


class Converter:
    """Builds the ONNX graph from the outputs backwards, each node once."""

    def __init__(self, topology: dict, weights: dict[str, np.ndarray]):
        self.source = {node["name"]: node for node in topology["node"]}
        self.weights = weights
        self.nodes, self.constants = [], []
        self.done = {NETWORK_INPUT: Tensor("images", SIDE, SIDE)}

    def model(self) -> onnx.ModelProto:
        anchors = self.weights[ANCHORS].astype(np.float64)
        count = anchors.shape[1]
        encodings = self._heads("concat", 4)
        logits = self._heads("concat_1", 91)
        self._boxes(encodings, anchors)
        self._scores(logits)
        outputs = [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, count, 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, count, 91 - len(UNUSED_NUMBERS)]),
        ]
        images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
        graph = helper.make_graph(self.nodes, "ssdlite_mobilenet_v2", [images], outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        return model

    def _node(self, kind: str, inputs: list[str], name: str, **attributes) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def _constant(self, name: str, values) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _heads(self, concat: str, columns: int) -> str:
        """The predictions of all six maps as rows: [1, N, columns]."""
        rows = []
        for reshape in self.source[concat]["input"][:-1]:
            source = self._tensor(self.source[reshape]["input"][0])
            last = self._node("Transpose", [source.name], f"{reshape}/nhwc", perm=[0, 2, 3, 1])
            shape = self._constant(f"{reshape}/shape", np.array([1, -1, columns], dtype=np.int64))
            rows.append(self._node("Reshape", [last, shape], reshape))
        return self._node("Concat", rows, concat, axis=1)

    def _boxes(self, encodings: str, anchors: np.ndarray) -> None:
        """Corners from encodings (y, x, height, width) relative to the anchors (top, left, bottom, right)."""
        size = anchors[..., 2:] - anchors[..., :2]
        centre = anchors[..., :2] + size / 2
        parts = self._constant("parts", np.array([2, 2], dtype=np.int64))
        self.nodes.append(helper.make_node("Split", [encodings, parts], ["centres_raw", "sizes_raw"], name="split", axis=2))
        step = self._constant("centre_step", (size / CENTRE_VARIANCE).astype(np.float32))
        place = self._constant("anchor_centres", centre.astype(np.float32))
        stretch = self._constant("size_step", np.array(1 / SIZE_VARIANCE, dtype=np.float32))
        half = self._constant("anchor_half_sizes", (size / 2).astype(np.float32))
        centres = self._node("Add", [self._node("Mul", ["centres_raw", step], "centres_scaled"), place], "centres")
        growth = self._node("Exp", [self._node("Mul", ["sizes_raw", stretch], "sizes_scaled")], "growth")
        halves = self._node("Mul", [growth, half], "half_sizes")
        first = self._node("Sub", [centres, halves], "top_left")
        second = self._node("Add", [centres, halves], "bottom_right")
        self._node("Concat", [first, second], "boxes", axis=2)

    def _scores(self, logits: str) -> None:
        used = [number for number in range(91) if number not in UNUSED_NUMBERS]
        columns = self._constant("used_classes", np.array(used, dtype=np.int64))
        self._node("Sigmoid", [self._node("Gather", [logits, columns], "used_logits", axis=2)], "scores")

    def _tensor(self, name: str) -> Tensor:
        if name not in self.done:
            node = self.source[name]
            self.done[name] = getattr(self, f"_{node['op'].lower()}")(node)
        return self.done[name]

    def _parameter(self, name: str) -> np.ndarray:
        return self.weights[name]

    def _per_channel(self, node: dict, kind: str) -> Tensor:
        """An operation of a map with a constant for each channel."""
        (constant_name,) = [name for name in node["input"] if name in self.weights]
        (source_name,) = [name for name in node["input"] if name not in self.weights]
        source = self._tensor(source_name)
        values = self._parameter(constant_name).reshape(-1, 1, 1)
        constant = self._constant(f"{node['name']}/constant", values)
        return Tensor(self._node(kind, [source.name, constant], node["name"]), source.height, source.width)

    def _add(self, node: dict) -> Tensor:
        return self._per_channel(node, "Add")

    def _biasadd(self, node: dict) -> Tensor:
        return self._per_channel(node, "Add")

    def _mul(self, node: dict) -> Tensor:
        return self._per_channel(node, "Mul")

    def _addn(self, node: dict) -> Tensor:
        first, second = (self._tensor(name) for name in node["input"])
        return Tensor(self._node("Add", [first.name, second.name], node["name"]), first.height, first.width)

    def _relu6(self, node: dict) -> Tensor:
        source = self._tensor(node["input"][0])
        limits = [self._constant(f"{node['name']}/{limit}", np.array(limit, dtype=np.float32)) for limit in (0, 6)]
        return Tensor(self._node("Clip", [source.name, *limits], node["name"]), source.height, source.width)

    def _fusedbatchnorm(self, node: dict) -> Tensor:
        source = self._tensor(node["input"][0])
        parameters = [
            self._constant(f"{node['name']}/{index}", self._parameter(name)) for index, name in enumerate(node["input"][1:])
        ]
        name = self._node(
            "BatchNormalization", [source.name, *parameters], node["name"], epsilon=node["attr"]["epsilon"]["f"]
        )
        return Tensor(name, source.height, source.width)

    def _conv2d(self, node: dict) -> Tensor:
        # [height, width, in, out] → [out, in, height, width]
        return self._convolution(node, self._parameter(node["input"][1]).transpose(3, 2, 0, 1), groups=1)

    def _depthwiseconv2dnative(self, node: dict) -> Tensor:
        # [height, width, channel, 1] → [channel, 1, height, width]
        kernel = self._parameter(node["input"][1])
        if kernel.shape[3] != 1:
            raise ValueError(f"{node['name']} has more than one kernel for a channel, which is not converted")
        return self._convolution(node, kernel.transpose(2, 3, 0, 1), groups=kernel.shape[2])

    def _convolution(self, node: dict, kernel: np.ndarray, groups: int) -> Tensor:
        source = self._tensor(node["input"][0])
        padding = bytes(node["attr"]["padding"]["s"])
        strides = [int(stride) for stride in node["attr"]["strides"]["list"]["i"][1:3]]
        if padding != b"SAME":
            raise ValueError(f"{node['name']} has the padding {padding!r}, which is not converted")
        sides, before, after = [], [], []
        for side, size, stride in zip((source.height, source.width), kernel.shape[2:], strides):
            # TensorFlow puts the odd pixel of its padding at the far edge.
            output = -(-side // stride)
            total = max((output - 1) * stride + size - side, 0)
            sides.append(output)
            before.append(total // 2)
            after.append(total - total // 2)
        weights = self._constant(f"{node['name']}/kernel", kernel)
        name = self._node(
            "Conv",
            [source.name, weights],
            node["name"],
            group=groups,
            kernel_shape=list(kernel.shape[2:]),
            strides=strides,
            pads=before + after,
        )
        return Tensor(name, *sides)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    description = json.loads((arguments.folder / "model.json").read_text())
    weights = read_weights(arguments.folder, description["weightsManifest"])
    model = Converter(description["modelTopology"], weights).model()
    temporary = arguments.output.with_name(arguments.output.name + ".part")
    temporary.write_bytes(model.SerializeToString(deterministic=True))
    os.replace(temporary, arguments.output)


if __name__ == "__main__":
    main()
