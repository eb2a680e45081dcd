"""Bounds on what a .tflite file unpacks to.

The places of a flatbuffer may share what they hold: a vector of 5,000 places
for one table, whose own vectors have as many, is a file of 40 KB that unpacks
to 25 million tables. Files of real writers share little. What a file unpacks
to, counted at each place, must then be about as large as the file, and so is
the work of reading it.
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

# Of all tables on average, with the place that leads to each. Equal ones may be
# stored once; a tensor or an operator of its own takes 40 bytes or more.
_LEAST_TABLE_BYTES = 8
_PLACE_BYTES = 4
# Writers may store a text once for all that have it.
_SHARING = 4
_MOST_DIMENSIONS = 64
_VECTORS = {
    "OperatorCodes": {},
    "Buffers": {},
    "Metadata": {},
    "SignatureDefs": {"Inputs": {}, "Outputs": {}},
    "ExternalBufferGroups": {},
    "ExternalBuffers": {},
    "Subgraphs": {"Tensors": {"VariantTensors": {}}, "Operators": {}},
}


def check_places(root: schema.Model, size: int) -> None:
    """Raises if a file has more places for tables than its size has room for.

    It counts before anything is unpacked, and stops at the first place too
    many.
    """
    _count(root, _VECTORS, size // _LEAST_TABLE_BYTES)


def check_vectors(model: schema.ModelT, size: int) -> None:
    """Raises if vectors are much larger than their file together."""
    for graph in model.subgraphs:
        for tensor in graph.tensors or []:
            for shape in (tensor.shape, tensor.shapeSignature):
                if shape is not None and len(shape) > _MOST_DIMENSIONS:
                    raise ValueError(f"A shape has {len(shape)} dimensions.")
    check_total(_unpacked_bytes(model), size)


def check_names(model: schema.ModelT, size: int) -> None:
    """Raises if names, where they are used, are much larger than their file.

    Each operator bears its name, and so does each end of a graph.
    """
    graphs = model.subgraphs
    codes = model.operatorCodes or []
    longest = max((len(x.customCode or b"") for x in codes), default=0)
    count = sum(len(graph.operators) for graph in graphs)
    check_total(longest * count + sum(map(_names_of_ends, graphs)), size)


def check_total(total: int, size: int) -> None:
    """Raises a ValueError if all uses together are much larger than a file."""
    if total > _SHARING * size:
        raise ValueError(f"{size} bytes unpack to {total} bytes or more.")


def _count(table, vectors, room):
    """Returns what is left of the room after the tables of some vectors."""
    for name, inner in vectors.items():
        count = getattr(table, f"{name}Length")()
        room -= count
        if room < 0:
            raise ValueError("There are more tables than have room.")
        for index in range(count if inner else 0):
            room = _count(getattr(table, name)(index), inner, room)
    return room


def _unpacked_bytes(model):
    total = 0
    waiting = [model]
    while waiting:
        value = waiting.pop()
        if isinstance(value, np.ndarray):
            total += value.nbytes
        elif isinstance(value, bytes):
            total += len(value)
        elif isinstance(value, list):
            total += _PLACE_BYTES * len(value)
            waiting += value
        elif hasattr(value, "__dict__"):
            waiting += vars(value).values()
    return total


def _names_of_ends(graph):
    return sum(
        len(graph.tensors[index].name or b"")
        for index in (*graph.inputs, *graph.outputs)
    )
