"""Channels in what moves, pools and pads."""

import keras
import numpy as np

from keras_eff.channels.rules.registry import rule
from keras_eff.channels.rules.registry import rule_of_one
from keras_eff.channels.tensor_channels import TensorChannels

# Stands for an open size while ids are moved as the tensor is.
_OPEN = 2


@rule_of_one
def pooled(call, channels):
    """Windows over space; one that is padded keeps no constant but zero."""
    if channels.axis != call.channel_axis:
        call.freeze(channels, f"{call.name} moves over them")
        return None
    is_padded = getattr(call.layer, "padding", "valid") != "valid"
    return channels.unknown() if is_padded else channels


@rule_of_one
def padded(call, channels):
    """Zeros around: only a channel that is zero looks the same."""
    is_larger = call.outputs[0].shape[channels.axis] != len(channels.ids)
    if is_larger or getattr(call.layer, "mode", "constant") != "constant":
        call.freeze(channels, f"{call.name} pads along them")
        return None
    if call.arguments().get("constant_values"):
        return channels.holding(np.nan)
    return channels.unknown()


@rule_of_one
def pooled_globally(call, channels):
    if channels.axis != call.channel_axis:
        call.freeze(channels, f"{call.name} reduces them")
        return None
    keeps = call.layer.keepdims
    return channels.moved(channels.axis if keeps else 1)


@rule_of_one
def reduced(call, channels):
    """The mean or maximum over other axes."""
    return _reduced(call, channels)


def _reduced(call, channels):
    axes = call.layer.axis
    axes = range(call.rank) if axes is None else np.atleast_1d(axes)
    axes = {int(axis) % call.rank for axis in axes}
    if channels.axis in axes or 0 in axes:
        call.freeze(channels, f"{call.name} reduces them")
        return None
    if getattr(call.layer, "initial", None) is not None:
        channels = channels.holding(np.nan)
    before = sum(axis < channels.axis for axis in axes)
    gone = 0 if call.layer.keepdims else before
    return channels.moved(channels.axis - gone)


@rule_of_one
def summed(call, channels):
    """As `reduced`; of the number of elements, a constant would depend."""
    channels = _reduced(call, channels)
    return None if channels is None else channels.unknown()


@rule_of_one
def moved(call, channels):
    """An operation that only moves elements: moved as they are."""
    new = _moved(call, channels)
    if new is None:
        call.freeze(channels, f"{call.name} takes some of them apart")
    return new


@rule
def reshaped(call):
    """The new shape has as many channels as are left."""
    channels, shape = call.channels[0], call.outputs[0].shape[1:]
    new = None
    if channels is not None and None not in shape:
        new = _moved(call, channels)
    axes = call.cut_like_tensor(call.layer, shape, new)
    if new is None:
        call.freeze(channels, f"{call.name} takes some of them apart")
        return [None]
    _change_shape(call, shape, axes)
    return [new]


def _change_shape(call, shape, axes):
    is_layer = isinstance(call.layer, keras.layers.Layer)
    name = "target_shape" if is_layer else "newshape"

    def change(kept):
        left = list(shape)
        for axis, ids in axes.items():
            left[axis] = int(kept(ids).sum())
        return {name: tuple(left) if is_layer else (-1, *left)}

    call.dependencies.changes.append(change)


def _moved(call, channels):
    """The channels behind the operation; what lay along several axes is tied.

    None where not all of it is left, or some lies along the batch.
    """
    places = _run(call, np.arange(len(channels.ids)), channels.axis)
    if places is None or places.ndim < 2 or (places != places[:1]).any():
        return None
    places = places[0].astype(int)
    if len(np.unique(places)) != len(channels.ids):
        return None
    varying = [axis for axis in range(places.ndim) if _varies(places, axis)]
    axis = places.ndim - 1 if len(varying) != 1 else varying[0]
    if call.outputs[0].shape[axis + 1] != places.shape[axis]:
        return None
    rows = np.moveaxis(places, axis, 0).reshape(places.shape[axis], -1)
    for column in rows.T[1:]:
        call.sets.unite(channels.ids[rows[:, 0]], channels.ids[column])
    values = channels.values[rows]
    same = (values == values[:, :1]).all(axis=1)
    return TensorChannels(
        axis + 1, channels.ids[rows[:, 0]], np.where(same, values[:, 0], np.nan)
    )


def _run(call, places, axis):
    """What the operation makes of the number of each place, or None."""
    tensor = call.tensors[0]
    shape = [1, *(size or _OPEN for size in tensor.shape[1:])]
    around = [1] * len(shape)
    around[axis] = len(places)
    full = np.broadcast_to(places.reshape(around), shape)

    def as_array(x):
        return full.astype("float32") if x is tensor else x

    arguments = keras.tree.map_structure(as_array, (call.args, call.kwargs))
    try:
        result = call.layer.call(*arguments[0], **arguments[1])
        result = keras.ops.convert_to_numpy(result)
    except Exception:
        # Backends have errors of their own: open sizes may be others.
        return None
    return result if result.size else None


def _varies(places, axis):
    return places.shape[axis] > 1 and bool(
        (places != np.take(places, [0], axis)).any()
    )


@rule_of_one
def repeated_vector(call, channels):
    return channels.moved(2)
