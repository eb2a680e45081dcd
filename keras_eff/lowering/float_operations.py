"""Which operations of a model that rounds compute in floats in its file."""

from keras_eff.graph.affine_terms import is_scaling
from keras_eff.graph.book import FOLLOWING
from keras_eff.graph.book import INDEX
from keras_eff.graph.book import SAME_SCALE
from keras_eff.graph.book import TIED
from keras_eff.graph.book import kind_of
from keras_eff.graph.selection import operations
from keras_eff.graph.walk import calls
from keras_eff.graph.walk import is_graph
from keras_eff.graph.walk import readers_of
from keras_eff.layers import FakeQuant

# Kinds that are computed in one step with what they read, or do nothing.
_PASSING = (*FOLLOWING, *TIED)
# Kinds that take and give the integers of what they read, whoever reads them.
_MOVING = ("fake_quant", "flip", "linear", "model", *INDEX, *SAME_SCALE)


def float_operations(model) -> set:
    """The operations whose outputs are read before any rounding.

    The converter gives an operation between two rounded tensors an integer
    kernel, and one without a range of its own the range of what it reads.
    """
    found = set()
    for operation, consumers in reversed(list(operations(model))):
        kind = kind_of(operation)
        if kind in _MOVING or is_scaling(operation):
            continue
        if kind == "unknown" or any(_is_float(x, found) for x in consumers):
            found.add(operation)
    return found


def _is_float(reader, found):
    """Whether an operation reads what another made before it is rounded."""
    if reader is None or isinstance(reader, FakeQuant) or is_graph(reader):
        return False
    return reader in found or kind_of(reader) not in _PASSING


def roundings_beside_floats(model) -> set:
    """The `FakeQuant` layers that read an input which others read too."""
    consumers = {}
    for node, readers in calls(model):
        known = consumers.get(node.operation, ())
        consumers[node.operation] = (*known, *readers)
    found = set()
    for tensor in model.inputs:
        readers = set(_past_linear(readers_of(model, tensor), consumers))
        roundings = {x for x in readers if isinstance(x, FakeQuant)}
        if roundings != readers:
            found |= roundings
    return found


def _past_linear(readers, consumers):
    for reader in readers:
        if reader is not None and kind_of(reader) == "linear":
            yield from _past_linear(consumers[reader], consumers)
        else:
            yield reader
