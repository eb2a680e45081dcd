"""Which operations of a model a caller means."""

from collections.abc import Callable

import keras

from keras_eff.transforms.graph import calls
from keras_eff.transforms.graph import is_graph
from keras_eff.transforms.kinds import unwrapped


def selector(model, skip) -> Callable:
    """A predicate on an operation: whether it is among those of `skip`.

    Args:
        model: Sequential or Functional model.
        skip: See `keras_eff.quantize`.
    """
    items = skip if isinstance(skip, (list, tuple, set)) else [skip]
    known = set(_names(model))
    for item in items:
        if isinstance(item, str) and item not in known:
            raise ValueError(
                "Argument `skip` names a layer that the model does not have. "
                f"Received: skip={skip!r}; its layers are {sorted(known)}"
            )
        if not (isinstance(item, str) or callable(item)):
            raise TypeError(
                "Argument `skip` must hold layer names, layer classes or "
                f"predicates. Received: skip={skip!r}"
            )
    return lambda operation: any(_matches(operation, i) for i in items)


def _matches(operation, item):
    if isinstance(item, str):
        return operation.name == item
    if isinstance(item, type):
        return isinstance(unwrapped(operation), item)
    is_layer = isinstance(operation, keras.layers.Layer)
    return is_layer and bool(item(operation))


def _names(model):
    for node, _ in calls(model):
        yield node.operation.name
        if is_graph(node.operation):
            yield from _names(node.operation)
