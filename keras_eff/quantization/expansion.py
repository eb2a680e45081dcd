"""Composed layers written as the simple ones that they stand for.

The expanded model computes the same function, in operations that each have an
integer kernel. A rule is a function from a `Call` and the `Rewriter`.
"""

import functools
import numbers
import operator

import keras
import numpy as np
from keras import ops

from keras_eff.graph.book import activation_kind
from keras_eff.graph.book import entry_of
from keras_eff.graph.book import unwrapped
from keras_eff.graph.cloning import clone
from keras_eff.graph.cloning import without_activation
from keras_eff.graph.rewriter import Rewriter
from keras_eff.graph.rewriter import open_composed
from keras_eff.graph.walk import mask_of
from keras_eff.quantization.attention import expand_attention
from keras_eff.quantization.composed import cancel_flip
from keras_eff.quantization.composed import drop_cast
from keras_eff.quantization.local_attention import expand_local_attention
from keras_eff.quantization.recurrence import expand_recurrence
from keras_eff.quantization.separable import expand_separable
from keras_eff.quantization.time_distributed import expand_time_distributed


def expand(model, keeps=lambda operation: False):
    """A model that computes what `model` does, in simpler layers.

    Returns: The new model, and the set of its operations that `keeps` chose.
    """
    rewriter = expander(keeps)
    return rewriter.rewrite(model), rewriter.kept


def expander(keeps=lambda operation: False) -> Rewriter:
    """The `Rewriter` that expands, for more than the model it makes."""
    return Rewriter(_RULES, keeps)


def _weighted(call, rewriter):
    """An activation that no kernel fuses becomes a layer of its own."""
    layer = unwrapped(call.operation)
    function = getattr(layer, "activation", keras.activations.linear)
    fuses = entry_of(layer).fuses_activation
    if activation_kind(function) in ("linear", "relu" if fuses else ""):
        return rewriter.copy(call)
    inner = {id(v) for v in getattr(function, "variables", ())}
    outputs = rewriter.apply(
        id(call.operation),
        lambda: without_activation(call.operation),
        [v for v in call.operation.variables if id(v) not in inner],
        *call.args,
        **call.kwargs,
    )
    return _activate(layer, outputs, rewriter)


def _separable(call, rewriter):
    outputs = expand_separable(call, rewriter)
    return _activate(unwrapped(call.operation), outputs, rewriter)


def _activate(layer, tensor, rewriter):
    function = layer.activation
    if function is keras.activations.linear:
        return tensor
    name = rewriter.unique(f"{layer.name}_activation")
    if isinstance(function, keras.layers.Layer):
        return rewriter.apply(
            id(function),
            lambda: clone(function, name=name),
            function.variables if function.built else None,
            tensor,
        )
    return keras.layers.Activation(
        function,
        name=name,
        dtype=layer.dtype_policy,
        activity_regularizer=layer.activity_regularizer,
    )(tensor)


def _merge(call, rewriter):
    """A sum or product of three or more tensors, pair by pair."""
    if len(call.tensors) < 3:
        return rewriter.copy(call)
    *terms, last = call.tensors
    kind = type(call.operation)
    total = _fold(kind, terms, call.operation, rewriter)
    name = rewriter.inherited(call.operation)
    return kind(name=name, dtype=call.operation.dtype_policy)([total, last])


def _average(call, rewriter):
    if any(mask_of(x) is not None for x in call.tensors):
        return rewriter.copy(call)
    layer = call.operation
    total = _fold(keras.layers.Add, call.tensors, layer, rewriter)
    return _scaled(total, 1.0 / len(call.tensors), layer, rewriter)


def _fold(kind, terms, layer, rewriter):
    def pair(total, term):
        name = rewriter.unique(f"{layer.name}_pair")
        return kind(name=name, dtype=layer.dtype_policy)([total, term])

    return functools.reduce(pair, terms)


def _scaled(tensor, factor, operation, rewriter):
    name = rewriter.inherited(operation)
    return rewriter.named(name, ops.multiply(tensor, factor))


def _divide(call, rewriter):
    numerator, divisor = call.args
    if not isinstance(divisor, (numbers.Real, np.ndarray)):
        return rewriter.copy(call)
    return _scaled(numerator, 1.0 / divisor, call.operation, rewriter)


def _negative(call, rewriter):
    return _scaled(call.args[0], -1.0, call.operation, rewriter)


def _square(call, rewriter):
    return _scaled(call.args[0], call.args[0], call.operation, rewriter)


def _center_crop(call, rewriter):
    """A slice, where there is enough to crop."""
    layer, (tensor,) = call.operation, call.tensors
    sizes = tensor.shape[-3:-1]
    wanted = (layer.height, layer.width)
    is_cut = None not in sizes and all(map(operator.ge, sizes, wanted))
    if not is_cut or tensor.dtype != layer.compute_dtype:
        return rewriter.copy(call)
    (top, height), (left, width) = (
        ((size - want) // 2, want)
        for size, want in zip(sizes, wanted, strict=True)
    )
    cut = tensor[..., top : top + height, left : left + width, :]
    return rewriter.named(rewriter.inherited(layer), cut)


_RULES = {
    "attention": expand_attention,
    "average": _average,
    "add": _merge,
    "center_crop": _center_crop,
    "composed": open_composed,
    "divide": _divide,
    "flip": cancel_flip,
    "cast": drop_cast,
    "local_attention": expand_local_attention,
    "multiply": _merge,
    "negative": _negative,
    "recurrence": expand_recurrence,
    "separable": _separable,
    "square": _square,
    "time_distributed": expand_time_distributed,
    "weighted": _weighted,
}
