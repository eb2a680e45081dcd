"""The width of each weight of a model."""

import collections

import keras

from keras_eff import arguments
from keras_eff.graph.book import unwrapped
from keras_eff.graph.selection import operations
from keras_eff.graph.walk import is_graph
from keras_eff.graph.walk import nested_calls

_DEFAULT = 8


def weight_widths(model, num_bits) -> dict:
    """The bits for the weights of each operation, nested models' too."""
    chosen = _chooser(model, num_bits)
    widths = {}
    for node, _, around in nested_calls(model):
        operation = node.operation
        if not is_graph(operation) and operation not in widths:
            names = [model.name for model in reversed(around)]
            widths[operation] = chosen(operation, names)
    return widths


def _chooser(model, num_bits):
    """A function of an operation and the names of the models around it."""
    if isinstance(num_bits, collections.abc.Mapping):
        _check_table(model, num_bits)
        return lambda operation, around: next(
            (
                num_bits[key]
                for key in (operation.name, *around, *_classes(operation))
                if key in num_bits
            ),
            _DEFAULT,
        )
    if callable(num_bits) and not isinstance(num_bits, type):
        return lambda operation, around: _returned(num_bits, operation)
    width = arguments.read_integer("num_bits", num_bits, 2, 8)
    return lambda operation, around: width


def _check_table(model, table):
    known = {operation.name for operation, _ in operations(model)}
    names = [key for key in table if isinstance(key, str)]
    arguments.check_layer_names("num_bits", table, names, known)
    for key, width in table.items():
        if not isinstance(key, (str, type)):
            raise TypeError(
                "Argument `num_bits` must have layer names or layer classes "
                f"as keys. Received: num_bits={table!r}"
            )
        label = key if isinstance(key, str) else key.__name__
        arguments.read_integer(f"num_bits[{label}]", width, 2, 8)


def _classes(operation):
    """The classes of a layer, and of the layer it wraps, the nearest first."""
    outer = (
        kind
        for kind in type(operation).__mro__
        if not issubclass(keras.layers.Layer, kind)
    )
    return (*outer, *type(unwrapped(operation)).__mro__)


def _returned(function, operation):
    if not isinstance(operation, keras.layers.Layer):
        return _DEFAULT
    width = function(operation)
    if width is None:
        return _DEFAULT
    return arguments.read_integer(f"num_bits({operation.name})", width, 2, 8)
