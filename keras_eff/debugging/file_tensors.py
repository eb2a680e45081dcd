"""What a .tflite file computes on its way from its inputs to its outputs."""

import dataclasses
import os
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_eff import child_process
from keras_eff.atomic_write import temporary_folder
from keras_eff.tflite.flatbuffer import is_constant
from keras_eff.tflite.flatbuffer import operator_name
from keras_eff.tflite.flatbuffer import parse
from keras_eff.tflite.flatbuffer import read

_SCRIPT = Path(__file__).with_name("tensors_script.py")
_TIMEOUT_S = 600.0
_TYPES = schema.TensorType
_READABLE = {
    _TYPES.FLOAT16,
    _TYPES.FLOAT32,
    _TYPES.FLOAT64,
    _TYPES.INT8,
    _TYPES.UINT8,
    _TYPES.INT16,
    _TYPES.INT32,
    _TYPES.INT64,
    _TYPES.BOOL,
}
_INPUT = "INPUT"


@dataclasses.dataclass(frozen=True)
class FileTensor:
    """A tensor that depends on the inputs of a .tflite file.

    Attributes:
        index: Number of the tensor in the main graph.
        op: Name of the operator that computes it, "INPUT" for an input.
        inputs: The other such tensors that the operator reads.
        has_weights: Whether it reads a kernel: a constant of two dimensions
            or more, of more than one value.
        scale: Its scale, None where it is not quantized by one.
        zero_point: Its zero point, None where it has no scale.
        values: Array (samples, elements), dequantized; None where the tensor
            does not divide into samples.
        end: Its number among the outputs of the file, None if it is none.
    """

    index: int
    op: str
    inputs: tuple[int, ...]
    has_weights: bool
    scale: float | None
    zero_point: int | None
    values: np.ndarray | None
    end: int | None = None


def file_tensors(
    path: str | os.PathLike, samples: list[np.ndarray]
) -> list[FileTensor]:
    """Runs a file with the builtin kernels and returns all that it computes.

    It runs in a child process: a file that crashes the runtime raises here.

    Returns: The tensors of the main graph in the order of execution, inputs
    first.
    """
    model = parse(read(path))
    graph = model.subgraphs[0]
    if len(graph.inputs) != len(samples):
        raise ValueError(
            f"The file must have an input for each of the {len(samples)} "
            f"inputs of the model. Received: {len(graph.inputs)} inputs"
        )
    makers = _makers(model, graph)
    readable = [i for i in makers if graph.tensors[i].type in _READABLE]
    values = _run(path, samples, readable)
    ends = {int(i): n for n, i in reversed(list(enumerate(graph.outputs)))}
    return [
        FileTensor(
            index=index,
            op=name,
            inputs=inputs,
            has_weights=any(_is_weight(model, graph, i) for i in constants),
            **_quantization(graph.tensors[index].quantization),
            values=values.get(index),
            end=ends.get(index),
        )
        for index, (name, inputs, constants) in makers.items()
    ]


def _makers(model, graph):
    """Returns {tensor that depends on an input: (operator, ...)}.

    With what the operator reads: such tensors that are there by then, which
    in a damaged file may not be all, and others.
    """
    makers = {int(index): (_INPUT, (), ()) for index in graph.inputs}
    for operator in graph.operators:
        sources = [int(i) for i in operator.inputs if i >= 0]
        inputs = tuple(i for i in sources if i in makers)
        if inputs:
            others = tuple(i for i in sources if i not in makers)
            name = operator_name(model, operator)
            for index in operator.outputs:
                makers.setdefault(int(index), (name, inputs, others))
    return makers


def _is_weight(model, graph, index):
    """Whether a tensor is a kernel, stored as such or compressed."""
    tensor = graph.tensors[index]
    rank = 0 if tensor.shape is None else np.sum(np.array(tensor.shape) > 1)
    if rank < 2 or _is_uniform(model, tensor):
        return False
    makers = [op for op in graph.operators if index in op.outputs]
    return is_constant(model, tensor) or _unpacks(model, makers)


def _is_uniform(model, tensor):
    """Whether it makes an average pooling of a convolution."""
    data = model.buffers[tensor.buffer].data
    is_int8 = tensor.type == _TYPES.INT8
    return bool(is_int8 and data is not None and np.ptp(data) == 0)


def _unpacks(model, operators):
    names = {operator_name(model, operator) for operator in operators}
    return bool(names & {"DEQUANTIZE", "DENSIFY"})


def _quantization(quantization):
    scales = () if quantization is None else quantization.scale
    if scales is None or len(scales) != 1 or not scales[0]:
        return {"scale": None, "zero_point": None}
    zero_points = quantization.zeroPoint
    has_zero_point = zero_points is not None and len(zero_points)
    zero_point = int(zero_points[0]) if has_zero_point else 0
    return {"scale": float(scales[0]), "zero_point": zero_point}


def _run(path, samples, indices):
    with temporary_folder() as folder:
        payload = {
            "path": os.path.abspath(path),
            "inputs": os.path.join(folder, "inputs.npz"),
            "outputs": os.path.join(folder, "outputs.npz"),
            "tensors": indices,
        }
        np.savez(payload["inputs"], *samples)
        # It keeps all that it computes.
        memory_bytes = 2 * child_process.memory_for(path, payload["inputs"])
        child_process.run(_SCRIPT, payload, _TIMEOUT_S, memory_bytes)
        with np.load(payload["outputs"]) as arrays:
            return {int(name): arrays[name] for name in arrays.files}
