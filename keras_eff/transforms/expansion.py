"""Composed layers written as the simple ones that they stand for.

The expanded model computes the same function, in operations that each have an
integer kernel. A rule is a function from a `Call` and the `Rewriter`.
"""

import functools

import keras
from keras import ops

from keras_eff.transforms.attention import expand_attention
from keras_eff.transforms.cloning import clone
from keras_eff.transforms.kinds import activation_name
from keras_eff.transforms.rewriter import Rewriter
from keras_eff.transforms.separable import expand_separable


def expand(model, keeps):
    """A model that computes what `model` does, in simpler layers.

    Args:
        model: Sequential or Functional model; it is left as it was.
        keeps: Predicate on an operation: those are not taken apart.
    """
    return Rewriter(_RULES, keeps).rewrite(model)


def _weighted(call, rewriter):
    """An activation that no kernel fuses becomes a layer of its own."""
    layer = getattr(call.operation, "layer", call.operation)
    function = getattr(layer, "activation", keras.activations.linear)
    fuses = not type(layer).__name__.endswith("Transpose")
    if activation_name(function) in ("linear", "relu" if fuses else ""):
        return rewriter.copy(call)
    outputs = rewriter.copy(call, lambda: _without_activation(call.operation))
    return _activate(layer, outputs, rewriter)


def _separable(call, rewriter):
    outputs = expand_separable(call, rewriter)
    return _activate(call.operation, outputs, rewriter)


def _activate(layer, tensor, rewriter):
    if layer.activation is keras.activations.linear:
        return tensor
    name = rewriter.unique(f"{layer.name}_activation")
    return keras.layers.Activation(layer.activation, name=name)(tensor)


def _without_activation(operation):
    copy = clone(operation)
    getattr(copy, "layer", copy).activation = keras.activations.linear
    return copy


def _merge(call, rewriter):
    """A sum or product of three or more tensors, pair by pair."""
    terms = call.args[0]
    if not isinstance(terms, (list, tuple)) or len(terms) < 3:
        return rewriter.copy(call)
    return _fold(call.operation, type(call.operation), terms, rewriter)


def _average(call, rewriter):
    terms = call.args[0]
    total = _fold(call.operation, keras.layers.Add, terms, rewriter)
    return ops.multiply(total, 1.0 / len(terms))


def _fold(layer, kind, terms, rewriter):
    def pair(total, term):
        return kind(name=rewriter.unique(f"{layer.name}_pair"))([total, term])

    return functools.reduce(pair, terms)


def _divide(call, rewriter):
    numerator, divisor = call.args
    if isinstance(divisor, keras.KerasTensor):
        return rewriter.copy(call)
    return ops.multiply(numerator, 1.0 / divisor)


def _negative(call, rewriter):
    return ops.multiply(call.args[0], -1.0)


def _square(call, rewriter):
    return ops.multiply(call.args[0], call.args[0])


_RULES = {
    "attention": expand_attention,
    "average": _average,
    "add": _merge,
    "divide": _divide,
    "multiply": _merge,
    "negative": _negative,
    "separable": _separable,
    "square": _square,
    "weighted": _weighted,
}
