"""What integers the inputs of a file may hold."""

import os

from keras_eff.tflite.flatbuffer import operator_name
from keras_eff.tflite.flatbuffer import parse
from keras_eff.tflite.flatbuffer import read

# What looks rows up: where it reads the numbers of the rows, and the table.
_LOOKUPS = {"GATHER": (1, 0), "EMBEDDING_LOOKUP": (0, 1)}
# What hands integers on as they are. Of two it selects where negative ones are
# made into those that count from the end.
_PASSING = (
    "CAST",
    "EXPAND_DIMS",
    "RESHAPE",
    "SELECT",
    "SELECT_V2",
    "SQUEEZE",
    "TRANSPOSE",
)


def row_counts(path: str | os.PathLike) -> dict[int, int]:
    """How many rows there are to look up, for inputs that hold their numbers.

    The smallest table counts, from the places of the inputs in the file.
    """
    model = parse(read(path))
    graph = model.subgraphs[0]
    counts = {}
    for place, index in enumerate(graph.inputs):
        found = list(_rows(model, graph, int(index)))
        if found:
            counts[place] = min(found)
    return counts


def _rows(model, graph, index):
    """The rows of each table that is read by a tensor."""
    reached = {index}
    # In the order in which they run.
    for operator in graph.operators:
        name, inputs = operator_name(model, operator), list(operator.inputs)
        if name in _PASSING and not reached.isdisjoint(inputs):
            reached.update(map(int, operator.outputs))
        if name in _LOOKUPS:
            place, table = _LOOKUPS[name]
            if inputs[place] in reached:
                axis = getattr(operator.builtinOptions, "axis", 0)
                yield int(graph.tensors[inputs[table]].shape[axis])
