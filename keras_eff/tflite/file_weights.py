"""The weights that a .tflite file holds, and what they take in each type."""

import collections
import dataclasses

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_eff.tflite import flatbuffer

DTYPES = {
    value: name.lower()
    for name, value in vars(schema.TensorType).items()
    if isinstance(value, int)
}
_FLOATS = ("float16", "bfloat16", "float32", "float64")
# What a loop reads is the state that it starts from.
_LOOP = "WHILE"


@dataclasses.dataclass(frozen=True)
class FileWeight:
    """A kernel, a table or another constant that was learned.

    Attributes:
        tensor: The `schema.TensorT`.
        data: Its bytes; None where they lie outside of the tables.
        dtype: Name of its type, such as "float32".
        reader: Name of an operator that reads it.
        size_bytes: What its values take in the file, in bytes.
    """

    tensor: schema.TensorT
    data: np.ndarray | None
    dtype: str
    reader: str
    size_bytes: int


def file_weights(model: schema.ModelT) -> list[FileWeight]:
    """The constants of two dimensions or more that are floats or have a scale.

    Vectors, such as biases, are none; values that several tensors share count
    once.
    """
    found = {}
    for graph in model.subgraphs:
        for operator in graph.operators:
            reader = flatbuffer.operator_name(model, operator)
            for index in operator.inputs if reader != _LOOP else ():
                tensor = graph.tensors[index] if index >= 0 else None
                if tensor is None or not is_weight(model, tensor):
                    continue
                buffer = model.buffers[tensor.buffer]
                size = buffer.size if buffer.data is None else len(buffer.data)
                dtype = DTYPES.get(tensor.type, f"type_{tensor.type}")
                weight = FileWeight(tensor, buffer.data, dtype, reader, size)
                found.setdefault(_place(buffer, tensor), weight)
    return list(found.values())


def weight_bytes(model: schema.ModelT) -> dict[str, int]:
    """What the weights of a file take, in bytes, by the name of their type."""
    totals = collections.Counter()
    for weight in file_weights(model):
        totals[weight.dtype] += weight.size_bytes
    return dict(sorted(totals.items()))


def text_of(weight_bytes: dict[str, int]) -> str:
    """Bytes and shares of the weights by type, in one line."""
    total = sum(weight_bytes.values())
    parts = [
        f"{dtype} {size:,} bytes ({size / total:.0%})"
        for dtype, size in weight_bytes.items()
    ]
    return ", ".join(parts) or "none"


def is_weight(model: schema.ModelT, tensor: schema.TensorT) -> bool:
    """Whether a tensor is a constant that counts as a weight."""
    rank = 0 if tensor.shape is None else len(tensor.shape)
    if rank < 2 or not flatbuffer.is_constant(model, tensor):
        return False
    quantization = tensor.quantization
    has_scale = quantization is not None and quantization.scale is not None
    if DTYPES.get(tensor.type) not in _FLOATS and not has_scale:
        return False
    data = model.buffers[tensor.buffer].data
    # Zeros are where a loop begins, or what a padding adds.
    return data is None or bool(np.any(data))


def _place(buffer, tensor):
    return (id(buffer), tensor.externalBuffer)
