"""Channels in a user's layer, of whose weights the axes are registered."""

import keras
import numpy as np

from keras_eff.channels.rules import registry
from keras_eff.channels.tensor_channels import TensorChannels
from keras_eff.graph import book
from keras_eff.layers.weight_transform import attribute_at

# Stands for an open size when the layer is tried.
_OPEN = 8


@registry.rule
def declared(call):
    """Kernels read channels along an axis, and make some along another.

    The layer is tried, so that nothing goes where it computes otherwise.
    """
    weights, size = _weights_of(call.layer), book.entry_of(call.layer).size
    try:
        held = _held(call, weights) if _fits(call, weights) else None
    except Exception as error:
        # Any code of a user's may be in there.
        return registry.whole(call, f"{call.name} cannot be tried: {error}")
    if held is None:
        reason = "computes otherwise than its registered weights say"
        return registry.whole(call, f"{call.name} {reason}")
    channels = call.read(call.channel_axis)
    call.need_zero(channels)
    shape, axis = call.outputs[0].shape, _output_axis(call)
    ids = call.begin(size or "outputs", shape[axis])
    for variable, outputs, inputs in weights:
        call.begins(variable, outputs, ids)
        if inputs is not None:
            call.cut(variable, inputs, channels.ids)
            call.used([variable], [*shape[1:axis], *shape[axis + 1 :]])
            call.is_source(variable, outputs)
    if size is None:
        reason = f"{call.name} is registered without `size`"
        call.sets.freeze(ids, reason)
        if len(ids) == len(channels.ids):
            # It may make as many as it reads.
            call.freeze(channels, reason)
    else:
        call.change(size, ids)
    return [TensorChannels(axis, ids, np.full(len(ids), held))]


def _weights_of(layer):
    """Tuples of a variable, its axis of outputs, and that of inputs or None."""
    found = {}
    for entry in book.weights_of(layer):
        variable = attribute_at(layer, entry.name)
        found[id(variable)] = (variable, entry.outputs[-1], entry.inputs)
    bias = getattr(layer, "bias", None)
    if bias is not None:
        found.setdefault(id(bias), (bias, -1, None))
    return list(found.values())


def _output_axis(call):
    return 1 if call.channel_axis == 1 else len(call.outputs[0].shape) - 1


def _fits(call, weights) -> bool:
    """Whether these are all weights, as long as there are channels."""
    known = {id(variable) for variable, _, _ in weights}
    if len(call.tensors) != 1 or len(call.outputs) != 1:
        return False
    read = call.tensors[0].shape[call.channel_axis]
    made = call.outputs[0].shape[_output_axis(call)]
    return known.issuperset(map(id, call.layer.weights)) and all(
        variable.shape[outputs] == made
        and (inputs is None or variable.shape[inputs] == read)
        for variable, outputs, inputs in weights
    )


def _held(call, weights):
    """What is left of a channel whose weights are zero, if it is a constant.

    None if it is not, or if other channels change with it, or if an input of
    zero is not the same as one that no kernel reads.
    """
    random, axis = np.random.default_rng(0), _output_axis(call)
    shape = [2, *(n or _OPEN for n in call.tensors[0].shape[1:])]
    x = random.normal(size=shape)
    values = [random.normal(size=variable.shape) for variable, _, _ in weights]

    def run_without(places):
        pairs = zip(values, places, strict=True)
        return _run(call, x, weights, [_without(*pair) for pair in pairs])

    full = _run(call, x, weights, values)
    silent = run_without([outputs for _, outputs, _ in weights])
    unread = run_without([inputs for _, _, inputs in weights])
    zero = _run(call, _without(x, call.channel_axis), weights, values)
    rest = [np.delete(y, 0, axis) for y in (full, silent)]
    channel = np.take(silent, 0, axis)
    is_as_told = all(
        np.allclose(*pair, rtol=1e-3, atol=1e-3)
        for pair in (rest, (unread, zero))
    )
    return channel.flat[0] if is_as_told and np.ptp(channel) == 0 else None


def _run(call, x, weights, values):
    pairs = [
        (variable, keras.ops.convert_to_tensor(value, variable.dtype))
        for (variable, _, _), value in zip(weights, values, strict=True)
    ]
    x = keras.ops.convert_to_tensor(x, call.tensors[0].dtype)
    called = call.replaced(lambda _: x)
    with keras.StatelessScope(pairs):
        made = call.layer(*called.args, **called.kwargs)
    return keras.ops.convert_to_numpy(made).astype("float64")


def _without(values, axis):
    """The values, with zeros at the first index of an axis, if there is one."""
    if axis is None:
        return values
    values = np.moveaxis(values.copy(), axis, 0)
    values[0] = 0
    return np.moveaxis(values, 0, axis)
