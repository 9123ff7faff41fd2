#!/usr/bin/env python3
"""Convert YOLOv4-tiny from darknet's `cfg` and `weights` to ONNX.

    yolov4_tiny.py --cfg yolov4-tiny.cfg --weights yolov4-tiny.weights --output model.onnx

Input   images  float32 [1, 3, H, W]   RGB, 0..1
Output  boxes   float32 [1, N, 4]      centre x, centre y, width, height in input pixels
        scores  float32 [1, N, C]      objectness times class probability, 0..1

Rows go head by head (stride 32, then 16), within a head cell by cell in reading order, within a cell anchor by anchor.

The batch normalisation is folded into the convolutions. The same inputs give the same bytes on every machine: names are
derived from the layer's index, nothing is dated, and all weight arithmetic is additions, multiplications, divisions and
square roots in float64, which IEEE 754 defines to the last bit. The manifest can therefore state the file's sha256.

Format of the two files: the parser and the layers of AlexeyAB/darknet (`src/parser.c`, `src/yolo_layer.c`).
"""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8
LEAKY_SLOPE = 0.1
# Added to the variance before the square root, as darknet's `fuse_conv_batchnorm` does.
BATCH_NORM_EPSILON = 1e-5
# int32 major, minor, revision and int64 images seen.
HEADER_BYTES = 3 * 4 + 8


@dataclass
class Section:
    """One `[kind]` of a cfg file with its `key=value` lines."""

    kind: str
    options: dict[str, str]

    def integer(self, key: str, default: int | None = None) -> int:
        return int(self._text(key, default))

    def number(self, key: str, default: float | None = None) -> float:
        return float(self._text(key, default))

    def integers(self, key: str) -> list[int]:
        return [int(item) for item in self._text(key, None).split(",")]

    def _text(self, key, default):
        if key in self.options:
            return self.options[key]
        if default is None:
            raise ValueError(f"[{self.kind}] has no '{key}'")
        return default


def parse_cfg(text: str) -> list[Section]:
    """Split a cfg file into its sections, `[net]` first."""
    sections: list[Section] = []
    for line in text.splitlines():
        line = line.split("#", 1)[0].strip()
        if line.startswith("["):
            sections.append(Section(line.strip("[]"), {}))
        elif line:
            key, value = line.split("=", 1)
            sections[-1].options[key.strip()] = value.strip()
    return sections


class WeightReader:
    """Hands out a weights file's float32 values in order."""

    def __init__(self, raw: bytes):
        major, minor = np.frombuffer(raw, dtype="<i4", count=2)
        if major * 10 + minor < 2:
            raise ValueError(f"weights of darknet {major}.{minor} have another header")
        self._values = np.frombuffer(raw, dtype="<f4", offset=HEADER_BYTES)
        self._next = 0

    def take(self, *shape: int) -> np.ndarray:
        count = int(np.prod(shape))
        values = self._values[self._next : self._next + count]
        if values.size != count:
            raise ValueError(f"the weights end {count - values.size} values too early")
        self._next += count
        return values.reshape(shape)

    def expect_end(self) -> None:
        left = self._values.size - self._next
        if left:
            raise ValueError(f"{left} values of the weights are left over: cfg and weights do not belong together")


@dataclass
class Tensor:
    """A layer's output: its name in the graph and its size without the batch."""

    name: str
    channels: int
    height: int
    width: int


class Converter:
    """Appends ONNX nodes layer by layer, as darknet runs them."""

    def __init__(self, net: Section, weights: WeightReader):
        self.width, self.height = net.integer("width"), net.integer("height")
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.layers: list[Tensor] = []
        self.head_boxes: list[str] = []
        self.head_scores: list[str] = []
        self.rows = 0
        self.classes = 0

    def append(self, section: Section) -> None:
        """Convert the next section."""
        source = self.layers[-1] if self.layers else Tensor("images", 3, self.height, self.width)
        prefix = f"layer{len(self.layers):02d}"
        layer = {
            "convolutional": self._convolutional,
            "maxpool": self._maxpool,
            "route": self._route,
            "upsample": self._upsample,
            "yolo": self._yolo,
        }.get(section.kind)
        if layer is None:
            raise ValueError(f"[{section.kind}] is not a layer of YOLOv4-tiny")
        self.layers.append(layer(section, source, prefix))

    def model(self) -> onnx.ModelProto:
        """The finished, checked model."""
        self._node("Concat", self.head_boxes, "boxes", axis=1)
        self._node("Concat", self.head_scores, "scores", axis=1)

        def value(name: str, *shape: int) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

        graph = helper.make_graph(
            self.nodes,
            "yolov4-tiny",
            [value("images", 1, 3, self.height, self.width)],
            [value("boxes", 1, self.rows, 4), value("scores", 1, self.rows, self.classes)],
            self.initializers,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        model.producer_name = "curbwatch"
        onnx.checker.check_model(model, full_check=True)
        return model

    def _node(self, kind: str, inputs: list[str], output: str, **attributes) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def _constant(self, name: str, values: np.ndarray) -> str:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _slice(self, source: str, output: str, axis: int, start: int, end: int) -> str:
        bounds = [
            self._constant(f"{output}_{what}", np.array([bound], dtype=np.int64))
            for what, bound in (("start", start), ("end", end), ("axis", axis))
        ]
        return self._node("Slice", [source, *bounds], output)

    def _convolutional(self, section: Section, source: Tensor, prefix: str) -> Tensor:
        filters, size, stride = (section.integer(key) for key in ("filters", "size", "stride"))
        padding = size // 2 if section.integer("pad", 0) else section.integer("padding", 0)

        # In the file: bias, then scale, mean and variance if normalised, then the kernel.
        bias = self.weights.take(filters).astype(np.float64)
        if section.integer("batch_normalize", 0):
            scale, mean, variance = (self.weights.take(filters).astype(np.float64) for _ in range(3))
            gain = scale / np.sqrt(variance + BATCH_NORM_EPSILON)
            bias = bias - mean * gain
        else:
            gain = np.ones(filters)
        kernel = self.weights.take(filters, source.channels, size, size).astype(np.float64)
        kernel = kernel * gain[:, None, None, None]

        output = self._node(
            "Conv",
            [
                source.name,
                self._constant(f"{prefix}_kernel", kernel.astype(np.float32)),
                self._constant(f"{prefix}_bias", bias.astype(np.float32)),
            ],
            f"{prefix}_conv",
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[padding] * 4,
        )
        activation = section.options["activation"]
        if activation == "leaky":
            output = self._node("LeakyRelu", [output], f"{prefix}_leaky", alpha=LEAKY_SLOPE)
        elif activation != "linear":
            raise ValueError(f"activation '{activation}' is not one of YOLOv4-tiny")
        height, width = ((side + 2 * padding - size) // stride + 1 for side in (source.height, source.width))
        return Tensor(output, filters, height, width)

    def _maxpool(self, section: Section, source: Tensor, prefix: str) -> Tensor:
        size, stride = section.integer("size"), section.integer("stride")
        # darknet pads by size - 1 at the far edges, which changes nothing only for this case.
        if size != 2 or stride != 2 or source.height % 2 or source.width % 2:
            raise ValueError("only a 2×2 pooling of stride 2 over even sides is converted")
        output = self._node("MaxPool", [source.name], f"{prefix}_pool", kernel_shape=[2, 2], strides=[2, 2])
        return Tensor(output, source.channels, source.height // 2, source.width // 2)

    def _route(self, section: Section, _source: Tensor, prefix: str) -> Tensor:
        here = len(self.layers)
        parts = [self.layers[here + step if step < 0 else step] for step in section.integers("layers")]
        channels = sum(part.channels for part in parts)
        name = parts[0].name
        if len(parts) > 1:
            name = self._node("Concat", [part.name for part in parts], f"{prefix}_concat", axis=1)
        groups = section.integer("groups", 1)
        if groups > 1:
            channels //= groups
            first = channels * section.integer("group_id")
            name = self._slice(name, f"{prefix}_group", 1, first, first + channels)
        return Tensor(name, channels, parts[0].height, parts[0].width)

    def _upsample(self, section: Section, source: Tensor, prefix: str) -> Tensor:
        stride = section.integer("stride")
        scales = self._constant(f"{prefix}_scales", np.array([1, 1, stride, stride], dtype=np.float32))
        output = self._node(
            "Resize",
            [source.name, "", scales],
            f"{prefix}_upsample",
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
        return Tensor(output, source.channels, source.height * stride, source.width * stride)

    def _yolo(self, section: Section, source: Tensor, prefix: str) -> Tensor:
        classes, mask = section.integer("classes"), section.integers("mask")
        anchors = np.array(section.integers("anchors"), dtype=np.float32).reshape(-1, 2)[mask]
        height, width, columns = source.height, source.width, 5 + classes
        rows = height * width * len(mask)
        self.rows += rows
        self.classes = classes

        # [1, anchors × (5 + classes), H, W] → [1, H × W × anchors, 5 + classes]
        split = self._constant(f"{prefix}_split", np.array([1, len(mask), columns, height, width], dtype=np.int64))
        flat = self._constant(f"{prefix}_flat", np.array([1, rows, columns], dtype=np.int64))
        name = self._node("Reshape", [source.name, split], f"{prefix}_by_anchor")
        name = self._node("Transpose", [name], f"{prefix}_by_cell", perm=[0, 3, 4, 1, 2])
        name = self._node("Reshape", [name, flat], f"{prefix}_rows")

        # centre = (sigmoid(t) × s − (s − 1) / 2 + cell) × pixels per cell, with s = scale_x_y
        stretch = section.number("scale_x_y", 1.0)
        pixels_per_cell = np.array([self.width / width, self.height / height])
        grid_y, grid_x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
        cells = np.stack([grid_x, grid_y], axis=-1).reshape(-1, 1, 2).repeat(len(mask), axis=1).reshape(1, rows, 2)
        centre_factor = self._constant(f"{prefix}_centre_factor", (stretch * pixels_per_cell).astype(np.float32))
        centre_offset = self._constant(
            f"{prefix}_centre_offset", ((cells - (stretch - 1) / 2) * pixels_per_cell).astype(np.float32)
        )
        centre = self._slice(name, f"{prefix}_centre_raw", 2, 0, 2)
        centre = self._node("Sigmoid", [centre], f"{prefix}_centre_sigmoid")
        centre = self._node("Mul", [centre, centre_factor], f"{prefix}_centre_scaled")
        centre = self._node("Add", [centre, centre_offset], f"{prefix}_centre")

        # size = exp(t) × anchor
        anchor_sizes = self._constant(f"{prefix}_anchors", np.tile(anchors, (height * width, 1))[None])
        size = self._slice(name, f"{prefix}_size_raw", 2, 2, 4)
        size = self._node("Exp", [size], f"{prefix}_size_exp")
        size = self._node("Mul", [size, anchor_sizes], f"{prefix}_size")
        self.head_boxes.append(self._node("Concat", [centre, size], f"{prefix}_boxes", axis=2))

        # score = sigmoid(objectness) × sigmoid(class)
        probabilities = self._slice(name, f"{prefix}_probabilities_raw", 2, 4, columns)
        probabilities = self._node("Sigmoid", [probabilities], f"{prefix}_probabilities")
        objectness = self._slice(probabilities, f"{prefix}_objectness", 2, 0, 1)
        by_class = self._slice(probabilities, f"{prefix}_classes", 2, 1, 1 + classes)
        self.head_scores.append(self._node("Mul", [by_class, objectness], f"{prefix}_scores"))
        return source


def convert(cfg: Path, weights: Path) -> onnx.ModelProto:
    """Read both files and build the model."""
    net, *layers = parse_cfg(cfg.read_text())
    reader = WeightReader(weights.read_bytes())
    converter = Converter(net, reader)
    for section in layers:
        converter.append(section)
    reader.expect_end()
    return converter.model()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cfg", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    model = convert(arguments.cfg, arguments.weights)
    temporary = arguments.output.with_name(arguments.output.name + ".part")
    temporary.write_bytes(model.SerializeToString(deterministic=True))
    os.replace(temporary, arguments.output)


if __name__ == "__main__":
    main()
