"""Channels in what moves, pools and pads."""

import keras
import numpy as np

from keras_eff.channels.flow import Flow

# Stands for an open size while labels are moved as the tensor is.
_OPEN = 2


def pooled(visit):
    """Windows over space; one that is padded keeps no constant but zero."""
    flow = visit.flows[0]
    if flow is None:
        return [None]
    if flow.axis != visit.channel_axis:
        visit.freeze(flow, f"{visit.name} moves over them")
        return [None]
    is_padded = getattr(visit.layer, "padding", "valid") != "valid"
    return [flow.unknown() if is_padded else flow]


def padded(visit):
    """Zeros around: only a channel that is zero looks the same."""
    flow = visit.flows[0]
    if flow is None:
        return [None]
    is_larger = visit.outputs[0].shape[flow.axis] != len(flow.labels)
    if is_larger or getattr(visit.layer, "mode", "constant") != "constant":
        visit.freeze(flow, f"{visit.name} pads along them")
        return [None]
    if visit.arguments().get("constant_values"):
        return [flow.holding(np.nan)]
    return [flow.unknown()]


def pooled_globally(visit):
    flow = visit.flows[0]
    if flow is None:
        return [None]
    if flow.axis != visit.channel_axis:
        visit.freeze(flow, f"{visit.name} reduces them")
        return [None]
    keeps = visit.layer.keepdims
    return [flow.moved(flow.axis if keeps else 1)]


def reduced(visit):
    """The mean, sum or maximum over other axes."""
    flow = visit.flows[0]
    if flow is None:
        return [None]
    axes = visit.layer.axis
    axes = range(visit.rank) if axes is None else np.atleast_1d(axes)
    axes = {int(axis) % visit.rank for axis in axes}
    if flow.axis in axes or 0 in axes:
        visit.freeze(flow, f"{visit.name} reduces them")
        return [None]
    if type(visit.layer).__name__ == "Sum":
        flow = flow.unknown()
    if getattr(visit.layer, "initial", None) is not None:
        flow = flow.holding(np.nan)
    before = sum(axis < flow.axis for axis in axes)
    return [flow.moved(flow.axis - (0 if visit.layer.keepdims else before))]


def moved(visit):
    """An operation that only moves elements: moved as they are."""
    flow = visit.flows[0]
    if flow is None:
        return [None] * len(visit.outputs)
    new = _moved(visit, flow)
    if new is None:
        visit.freeze(flow, f"{visit.name} takes some of them apart")
        return [None]
    return [new]


def reshaped(visit):
    """The new shape has as many channels as are left."""
    flow, shape = visit.flows[0], visit.outputs[0].shape[1:]
    new = None
    if flow is not None and None not in shape:
        new = _moved(visit, flow)
    axes = visit.cut_like_tensor(visit.layer, shape, new)
    if new is None:
        visit.freeze(flow, f"{visit.name} takes some of them apart")
        return [None]
    _change_shape(visit, shape, axes)
    return [new]


def _change_shape(visit, shape, axes):
    is_layer = isinstance(visit.layer, keras.layers.Layer)
    name = "target_shape" if is_layer else "newshape"

    def change(kept):
        left = list(shape)
        for axis, labels in axes.items():
            left[axis] = int(kept(labels).sum())
        return {name: tuple(left) if is_layer else (-1, *left)}

    visit.site.changes.append(change)


def _moved(visit, flow):
    """The flow behind the operation; what lay along several axes is tied.

    None where not all of it is left, or some lies along the batch.
    """
    places = _run(visit, np.arange(len(flow.labels)), flow.axis)
    if places is None or places.ndim < 2 or (places != places[:1]).any():
        return None
    places = places[0].astype(int)
    if len(np.unique(places)) != len(flow.labels):
        return None
    varying = [axis for axis in range(places.ndim) if _varies(places, axis)]
    axis = places.ndim - 1 if len(varying) != 1 else varying[0]
    if visit.outputs[0].shape[axis + 1] != places.shape[axis]:
        return None
    rows = np.moveaxis(places, axis, 0).reshape(places.shape[axis], -1)
    for column in rows.T[1:]:
        visit.labels.unite(flow.labels[rows[:, 0]], flow.labels[column])
    values = flow.values[rows]
    same = (values == values[:, :1]).all(axis=1)
    return Flow(
        axis + 1,
        flow.labels[rows[:, 0]],
        np.where(same, values[:, 0], np.nan),
    )


def _run(visit, places, axis):
    """What the operation makes of the number of each place, or None."""
    tensor = visit.tensors[0]
    shape = [1, *(size or _OPEN for size in tensor.shape[1:])]
    around = [1] * len(shape)
    around[axis] = len(places)
    full = np.broadcast_to(places.reshape(around), shape)

    def as_array(x):
        return full.astype("float32") if x is tensor else x

    arguments = keras.tree.map_structure(as_array, (visit.args, visit.kwargs))
    try:
        result = visit.layer.call(*arguments[0], **arguments[1])
        result = keras.ops.convert_to_numpy(result)
    except Exception:
        # Backends have errors of their own: open sizes may be others.
        return None
    return result if result.size else None


def _varies(places, axis):
    return places.shape[axis] > 1 and bool(
        (places != np.take(places, [0], axis)).any()
    )


def repeated_vector(visit):
    flow = visit.flows[0]
    return [None if flow is None else flow.moved(2)]
