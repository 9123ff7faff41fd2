#!/usr/bin/env python3
"""Static 8-bit quantisation of a detector, by ONNX Runtime's own quantiser. `curbwatch models quantize` runs it.

    <cache>/curbwatch/python/bin/python models/convert/quantize.py --model MODEL --tensors FOLDER --output MODEL

FOLDER holds the input tensors of the pictures on which it is calibrated, as the agent writes them: little-endian float32 of the model's
input shape, one to a file. They are taken in the order of their names.

Quantised are the convolutions, and what lies between them, with a scale for each channel of the weights (QDQ form; activations
unsigned, weights signed, as CPUs multiply them). What comes after the last convolution of a branch stays as it is: it turns cells into
boxes, where a step of 1/255 would be pixels.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process


class Tensors(CalibrationDataReader):
    """The calibration tensors, one at a time: all of them would not fit into the memory of a small box."""

    def __init__(self, folder: Path, name: str, shape: list[int]):
        self.files = iter(sorted(folder.iterdir()))
        self.name, self.shape = name, shape

    def get_next(self):
        file = next(self.files, None)
        return None if file is None else {self.name: np.fromfile(file, dtype="<f4").reshape(self.shape)}


def after_the_last_convolution(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes from which no convolution is reached."""
    consumers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for tensor in node.input:
            consumers.setdefault(tensor, []).append(node)
    leads_on: dict[str, bool] = {}
    for node in reversed(model.graph.node):
        following = [other for tensor in node.output for other in consumers.get(tensor, [])]
        leads_on[node.name] = any(other.op_type == "Conv" or leads_on[other.name] for other in following)
    return [node.name for node in model.graph.node if node.op_type != "Conv" and not leads_on[node.name]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tensors", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        # Shapes are inferred and constants folded; symbolic shapes would need a further package.
        quant_pre_process(arguments.model, prepared, skip_symbolic_shape=True)
        model = onnx.load(prepared)
        for number, node in enumerate(model.graph.node):
            node.name = node.name or f"node_{number}"
        onnx.save(model, prepared)
        image = model.graph.input[0]
        shape = [side.dim_value or 1 for side in image.type.tensor_type.shape.dim]
        quantize_static(
            prepared,
            arguments.output,
            Tensors(arguments.tensors, image.name, shape),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=after_the_last_convolution(model),
            calibrate_method=CalibrationMethod.MinMax,
        )


if __name__ == "__main__":
    main()
