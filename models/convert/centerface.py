#!/usr/bin/env python3
"""Make CenterFace, whose published file takes ten pictures of 32 × 32 pixels, a model of one picture of a fixed size.

    centerface.py --source centerface.onnx --width 640 --height 384 --output model.onnx

Input   images     float32 [1, 3, H, W]           RGB, 0..255; sides are multiples of 32
Output  heat       float32 [1, 1, H / 4, W / 4]   probability that a face's middle lies in the cell
        sizes      float32 [1, 2, H / 4, W / 4]   logarithms of height and width in cells
        offsets    float32 [1, 2, H / 4, W / 4]   of the middle from the cell's, y and x in cells

The weights are untouched; the landmarks are left out. Constants, which the file also lists as inputs, are taken out of that list, so that
the runtime may fold them, and those that nothing uses are dropped.
"""

import argparse
import os
from pathlib import Path

import onnx
from onnx import TensorProto, helper, shape_inference

STRIDE = 4
# Names of the outputs in the order of the published file, and their planes.
OUTPUTS = (("heat", 1), ("sizes", 2), ("offsets", 2))


def convert(source: Path, width: int, height: int) -> onnx.ModelProto:
    if width % 32 or height % 32:
        raise ValueError(f"{width}×{height}: the sides must be multiples of 32")
    model = onnx.load(source)
    graph = model.graph
    constants = {initializer.name for initializer in graph.initializer}
    (picture,) = [entry.name for entry in graph.input if entry.name not in constants]
    renamed = {picture: "images"}
    renamed |= {output.name: name for output, (name, _) in zip(graph.output, OUTPUTS)}
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    drop_unused(graph)
    del graph.input[:], graph.output[:], graph.value_info[:]
    graph.input.append(helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, height, width]))
    for name, planes in OUTPUTS:
        shape = [1, planes, height // STRIDE, width // STRIDE]
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    onnx.checker.check_model(model)
    shape_inference.infer_shapes(model, strict_mode=True)
    return model


def drop_unused(graph: onnx.GraphProto) -> None:
    """Takes out nodes and constants from which no output follows."""
    wanted = {name for name, _ in OUTPUTS}
    nodes = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            nodes.append(node)
    constants = [initializer for initializer in graph.initializer if initializer.name in wanted]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(nodes))
    graph.initializer.extend(constants)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--height", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    model = convert(arguments.source, arguments.width, arguments.height)
    temporary = arguments.output.with_name(arguments.output.name + ".part")
    temporary.write_bytes(model.SerializeToString(deterministic=True))
    os.replace(temporary, arguments.output)


if __name__ == "__main__":
    main()
