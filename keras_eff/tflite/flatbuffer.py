"""Reading a .tflite file as Python objects."""

import os
import pathlib
from collections.abc import Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_eff.printable import printable
from keras_eff.tflite import unpacking

_IDENTIFIER = b"TFL3"
_IDENTIFIER_BEGIN, _IDENTIFIER_END = 4, 8
_OPERATOR_NAMES = {v: k for k, v in vars(schema.BuiltinOperator).items()}


def read(path: str | os.PathLike) -> bytes:
    """Returns the bytes of a .tflite file.

    Of another file no more is read than its beginning.
    """
    if not pathlib.Path(path).is_file():
        raise FileNotFoundError(
            "Argument `path` must be the path of a .tflite file. "
            f"Received: path={os.fspath(path)!r}"
        )
    received = f"path={os.fspath(path)!r}"
    with open(path, "rb") as file:
        _check_identifier(file.read(_IDENTIFIER_END), received)
        _check_size(os.fstat(file.fileno()).st_size, received)
        file.seek(0)
        return file.read()


def parse(data: bytes) -> schema.ModelT:
    """Returns the model that a .tflite file holds, for reading or changing.

    Its vectors are read-only views of `data`: replace them to change them.
    Lists of tensors, operators, inputs, outputs that it lacks come back empty.
    The time and the memory that it takes are bounded by the size of `data`.
    """
    _check_identifier(data, f"{len(data)} bytes")
    try:
        root = schema.Model.GetRootAs(_WholeBytes(data), 0)
        unpacking.check_places(root, len(data))
        model = schema.ModelT.InitFromObj(root)
        unpacking.check_vectors(model, len(data))
        _fill_missing_lists(model)
        _check_indices(model, len(data))
        unpacking.check_names(model, len(data))
    except Exception as error:
        raise ValueError(
            "A .tflite file must be complete. Some of its tables are damaged, "
            "reach past its end, or stand for more than it has room for. "
            f"Received: {len(data)} bytes"
        ) from error
    return model


def operator_name(model: schema.ModelT, operator: schema.OperatorT) -> str:
    """Returns the name of an operator: `CONV_2D`, or a custom one's own."""
    code = model.operatorCodes[operator.opcodeIndex]
    if code.customCode:
        return readable(code.customCode)
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    return _OPERATOR_NAMES.get(number, f"OPERATOR_{number}")


def readable(name: bytes | None) -> str:
    """Returns a name that a file holds, safe to print; empty if it has none.

    The file may be a stranger's, and its names any bytes.
    """
    return printable((name or b"").decode(errors="replace"))


def is_constant(model: schema.ModelT, tensor: schema.TensorT) -> bool:
    """Returns whether the file, or a file beside it, holds the values."""
    buffer = model.buffers[tensor.buffer]
    is_outside = bool(buffer.offset or tensor.externalBuffer)
    return buffer.data is not None or is_outside


def intermediates(operator: schema.OperatorT) -> Sequence[int]:
    """Returns the tensors that an operator keeps to itself, as LSTMs do."""
    return () if operator.intermediates is None else operator.intermediates


class _WholeBytes(bytes):
    """Bytes that refuse a slice which does not end inside them.

    Numbers and vectors raise on their own when they reach past the end of a
    truncated file; strings, which Python slices, would silently be shortened.
    Each is a copy: all together are bounded.
    """

    _copied = 0

    def __getitem__(self, key):
        if isinstance(key, slice):
            if key.stop >= len(self):
                raise ValueError("A string reaches past the end of the file.")
            self._copied += key.stop - key.start
            unpacking.check_total(self._copied, len(self))
        return super().__getitem__(key)


def _check_identifier(start, received):
    identifier = bytes(start[_IDENTIFIER_BEGIN:_IDENTIFIER_END])
    if identifier != _IDENTIFIER:
        raise ValueError(
            "A .tflite file must have the identifier b'TFL3' at its bytes 4 to "
            f"8. Received: {received}, identifier={identifier}"
        )


def _check_size(size, received):
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    # It is held twice while its tables are read.
    if size > memory // 2:
        raise ValueError(
            "A .tflite file must fit into memory twice. Received: "
            f"{received}, {size:,} bytes, {memory:,} bytes of memory"
        )


def _fill_missing_lists(model):
    none = np.empty(0, np.int32)
    model.buffers = model.buffers or []
    for signature in model.signatureDefs or []:
        signature.inputs = signature.inputs or []
        signature.outputs = signature.outputs or []
    for graph in model.subgraphs:
        graph.tensors = graph.tensors or []
        graph.operators = graph.operators or []
        for owner in (graph, *graph.operators):
            owner.inputs = none if owner.inputs is None else owner.inputs
            owner.outputs = none if owner.outputs is None else owner.outputs


def _check_indices(model, size):
    """Raises unless every index and offset points at something."""
    _check_below(0, len(model.subgraphs))
    main = model.subgraphs[0]
    for index in (*main.inputs, *main.outputs):
        if index < 0:
            raise ValueError("An input or output of the file is left out.")
    for buffer in model.buffers:
        _check_below(buffer.offset + buffer.size, size + 1)
    for graph in model.subgraphs:
        for owner in (graph, *graph.operators):
            for index in (*owner.inputs, *owner.outputs):
                _check_below(index, len(graph.tensors))
        for operator in graph.operators:
            _check_below(operator.opcodeIndex, len(model.operatorCodes))
            for index in intermediates(operator):
                _check_below(index, len(graph.tensors))
    tensors = [t for graph in model.subgraphs for t in graph.tensors]
    for owner in [*tensors, *(model.metadata or [])]:
        _check_below(owner.buffer, len(model.buffers))
    for signature in model.signatureDefs or []:
        graph = model.subgraphs[signature.subgraphIndex]
        for port in (*signature.inputs, *signature.outputs):
            _check_below(port.tensorIndex, len(graph.tensors))


def _check_below(index, count):
    # -1 stands for an optional tensor that is left out.
    if not -1 <= index < count:
        raise ValueError(f"Index {index} is not below {count}.")
