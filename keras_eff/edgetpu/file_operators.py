"""Operators of a .tflite file as the rules of the Edge TPU look at them."""

import dataclasses
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_eff.tflite.file_weights import DTYPES
from keras_eff.tflite.flatbuffer import is_constant
from keras_eff.tflite.flatbuffer import operator_name

_INTEGERS = {"int32": np.int32, "int64": np.int64}
_MOST_PARAMETERS = 64
_BYTES = {"int8": np.int8, "uint8": np.uint8}


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A tensor of an operator.

    `shape`: tuple of integers, -1 for dimensions that the file leaves open.
    `dtype`: string, `"int8"`, `"float32"`, ... `data`: its bytes as the file
    holds them, `None` if it holds none. `is_sparse`: boolean, whether it is
    stored without its zeros. `is_variable`: boolean, whether it is the state of
    an operator.
    """

    index: int
    shape: tuple[int, ...]
    dtype: str
    data: np.ndarray | None
    buffer: int
    size_bytes: int
    zero_point: int
    is_constant: bool
    is_sparse: bool
    is_variable: bool

    @property
    def inner_dimensions(self) -> int:
        """How many dimensions from the last to the first one above 1."""
        sizes = list(self.shape)
        while sizes and sizes[0] == 1:
            sizes.pop(0)
        return len(sizes)

    def integers(self) -> list[int] | None:
        """Its values if the file holds integers of 32 or 64 bits, else None.

        A constant without bytes has no values, nor has one with more of them
        than any operation has parameters.
        """
        if not self.is_constant or self.dtype not in _INTEGERS:
            return None
        values = self._values(_INTEGERS[self.dtype])
        is_short = values is not None and len(values) <= _MOST_PARAMETERS
        return values.tolist() if is_short else None

    def is_all_zeros(self) -> bool:
        """Whether the file holds nothing but zeros, of 8 bits."""
        values = self._values(_BYTES.get(self.dtype))
        return values is not None and bool(np.all(values == self.zero_point))

    def _values(self, dtype):
        if self.data is None or dtype is None:
            return None
        if len(self.data) % np.dtype(dtype).itemsize:
            return None
        return np.asarray(self.data).view(dtype)


@dataclasses.dataclass(frozen=True)
class Operator:
    """An operator of the main graph."""

    index: int
    name: str
    version: int
    code: int
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor | None, ...]
    options: Any

    @property
    def tensors(self) -> list[tuple[str, Tensor]]:
        """All tensors that are there, and what to call them."""
        ends = [("input", self.inputs), ("output", self.outputs)]
        return [
            (f"{end} {place}", tensor)
            for end, tensors in ends
            for place, tensor in enumerate(tensors)
            if tensor is not None
        ]

    def input(self, place: int) -> Tensor | None:
        """The input at a place, `None` if it is left out."""
        return self.inputs[place] if place < len(self.inputs) else None

    def shape(self, place: int) -> tuple[int, ...]:
        """The shape of the input at a place, empty if it is left out."""
        tensor = self.input(place)
        return () if tensor is None else tensor.shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of the first output, empty if there is none."""
        first = self.outputs[0] if self.outputs else None
        return () if first is None else first.shape

    def option(self, name: str, default: int = 0) -> int:
        """The number an option has in the file, or its default."""
        return getattr(self.options, name, default)


def operators(model: schema.ModelT, subgraph: int) -> list[Operator]:
    """Returns the operators of a graph of a model, in the file's order."""
    graph = model.subgraphs[subgraph]
    tensors = [_tensor(model, i, t) for i, t in enumerate(graph.tensors)]
    tensors.append(None)  # At -1, what is left out.
    return [
        _operator(model, index, operator, tensors)
        for index, operator in enumerate(graph.operators)
    ]


def _operator(model, index, operator, tensors):
    code = model.operatorCodes[operator.opcodeIndex]
    return Operator(
        index=index,
        name=operator_name(model, operator),
        version=code.version,
        code=max(code.builtinCode, code.deprecatedBuiltinCode),
        inputs=tuple(tensors[i] for i in operator.inputs),
        outputs=tuple(tensors[i] for i in operator.outputs),
        options=operator.builtinOptions,
    )


def _tensor(model, index, tensor):
    buffer = model.buffers[tensor.buffer]
    is_open = tensor.shapeSignature is not None
    shape = tensor.shapeSignature if is_open else tensor.shape
    data = buffer.data
    return Tensor(
        index=index,
        shape=() if shape is None else tuple(shape.tolist()),
        dtype=DTYPES.get(tensor.type, f"type_{tensor.type}"),
        data=data,
        buffer=tensor.buffer,
        size_bytes=buffer.size if data is None else len(data),
        zero_point=_zero_point(tensor.quantization),
        is_constant=is_constant(model, tensor),
        is_sparse=tensor.sparsity is not None,
        is_variable=bool(tensor.isVariable),
    )


def _zero_point(quantization):
    points = None if quantization is None else quantization.zeroPoint
    return 0 if points is None or not len(points) else int(points[0])
