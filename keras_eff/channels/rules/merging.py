"""Channels where tensors meet, element by element or side by side."""

import keras
import numpy as np

from keras_eff.channels.rules.elementwise import applied
from keras_eff.channels.rules.elementwise import is_elementwise
from keras_eff.channels.rules.registry import rule
from keras_eff.channels.rules.registry import rule_of_one
from keras_eff.channels.tensor_channels import TensorChannels
from keras_eff.graph.book import entry_of


@rule
def merge(call):
    """Tensors of one shape lose the same channels."""
    operands = _operands(call)
    size = len(call.outputs[0].shape)
    arrays = [x for x in operands if not isinstance(x, keras.KerasTensor)]
    is_plain = all(np.ndim(x) == 0 for x in arrays)
    tensors = call.tensors
    if not is_plain or any(len(x.shape) != size for x in tensors):
        call.freeze_inputs(f"{call.name} broadcasts them")
        return [None]
    channels = _united(call, tensors)
    if channels is None:
        return [None]
    with np.errstate(all="ignore"):
        values = [_values(call, operand, channels) for operand in operands]
        values = entry_of(call.layer).combine(values)
    return [channels.holding(values)]


def _operands(call):
    leaves = keras.tree.flatten((call.args, call.kwargs))
    return [x for x in leaves if x is not None]


def _united(call, tensors):
    """The channels of all; each stays that meets what cannot change."""
    of_each = list(map(call.channels_of, tensors))
    known = [channels for channels in of_each if channels is not None]
    if not known:
        return None
    axis = max(known, key=lambda channels: len(channels.ids)).axis
    wide = [
        (x, channels)
        for x, channels in zip(tensors, of_each, strict=True)
        if x.shape[axis] != 1
    ]
    for x, channels in zip(tensors, of_each, strict=True):
        if x.shape[axis] == 1 and wide:
            call.freeze(channels, f"{call.name} spreads it over the others")
    chosen = [channels for _, channels in wide if channels is not None] or known
    if any(channels is None or channels.axis != axis for _, channels in wide):
        call.freeze_inputs(f"{call.name} meets what cannot change")
        return None
    first, *others = chosen
    for other in others:
        call.sets.unite(first.ids, other.ids)
    return first


def _values(call, operand, channels):
    """What an operand holds where the channels of the result are gone."""
    if not isinstance(operand, keras.KerasTensor):
        return np.full(len(channels.ids), float(operand))
    own = call.channels_of(operand)
    if own is None or own.axis != channels.axis:
        return np.full(len(channels.ids), np.nan)
    if len(own.ids) != len(channels.ids):
        return np.full(len(channels.ids), np.nan)
    return own.values


@rule
def concatenate(call):
    """Side by side along the axis of the channels, or tied."""
    layer, of_each = call.layer, call.channels
    axis = layer.axis % call.rank
    known = [channels for channels in of_each if channels is not None]
    if not known:
        return [None]
    if len(_operands(call)) != len(of_each):
        call.freeze_inputs(f"{call.name} puts a constant beside them")
        return [None]
    if all(channels.axis == axis for channels in known):
        parts = [call.read(axis, x) for x in call.tensors]
        ids = np.concatenate([part.ids for part in parts])
        values = np.concatenate([part.values for part in parts])
        return [TensorChannels(axis, ids, values)]
    axes = {channels.axis for channels in known}
    if len(known) < len(of_each) or len(axes) > 1:
        call.freeze_inputs(f"{call.name} meets what cannot change")
        return [None]
    first, *others = known
    values = first.values
    for other in others:
        call.sets.unite(first.ids, other.ids)
        values = np.where(values == other.values, values, np.nan)
    return [first.holding(values)]


@rule_of_one
def elementwise(call, channels):
    """An operation, or an activation, of each element by itself."""
    function = getattr(call.layer, "activation", None)
    if function is not None and not is_elementwise(function):
        call.freeze(channels, f"{call.name} may mix them")
        return None
    return channels.mapped(applied(function or call.layer.call))


@rule
def unchanged(call):
    """What is the identity at inference, or keeps constants closely."""
    shape = getattr(call.layer, "noise_shape", None)
    of_each = call.channels[: len(call.outputs)]
    known = [channels for channels in of_each if channels is not None]
    for channels in known if shape else ():
        if shape[channels.axis] not in (None, 1):
            call.freeze(channels, f"{call.name} has noise of their shape")
    return of_each


@rule_of_one
def rounded(call, channels):
    return channels.unknown()


@rule_of_one
def rescaling(call, channels):
    layer = call.layer
    if np.ndim(layer.scale) or np.ndim(layer.offset):
        call.freeze(channels, f"{call.name} has a constant for each")
        return None
    return channels.mapped(lambda x: x * layer.scale + layer.offset)
