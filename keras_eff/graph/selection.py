"""Which operations of a model a caller wants to stay float."""

from collections.abc import Callable

import keras

from keras_eff.arguments import check_layer_names
from keras_eff.graph import book
from keras_eff.graph.walk import nested_calls
from keras_eff.layers import FakeQuant
from keras_eff.layers.keep_float import KeepFloat


def selector(model, skip) -> Callable:
    """A predicate on an operation: whether it is among those of `skip`."""
    items = skip if isinstance(skip, (list, tuple, set)) else [skip]
    known = {operation.name for operation, _ in operations(model)}
    names = [item for item in items if isinstance(item, str)]
    check_layer_names("skip", skip, names, known)
    for item in items:
        if not (isinstance(item, str) or callable(item)):
            raise TypeError(
                "Argument `skip` must hold layer names, layer classes or "
                f"predicates. Received: skip={skip!r}"
            )
    return lambda operation: any(_matches(operation, i) for i in items)


def kept_float(model) -> set:
    """The operations that a `KeepFloat` keeps: those before it.

    And where one of those is of a kind that stays float behind what does, as
    a normalization, those before that too.
    """
    kept = set()
    for operation, consumers in reversed(list(operations(model))):
        follows = any(
            reader in kept and book.kind_of(reader) in book.FOLLOWING
            for reader in consumers
        )
        is_read = any(isinstance(reader, KeepFloat) for reader in consumers)
        if (is_read or follows) and not isinstance(operation, FakeQuant):
            kept.add(operation)
    return kept


def operations(model):
    """All operations, those of nested models too, with their readers."""
    for node, consumers, _ in nested_calls(model):
        yield node.operation, consumers


def _matches(operation, item):
    if isinstance(item, str):
        return operation.name == item
    if isinstance(item, type):
        return isinstance(book.unwrapped(operation), item)
    is_layer = isinstance(operation, keras.layers.Layer)
    return is_layer and bool(item(operation))
