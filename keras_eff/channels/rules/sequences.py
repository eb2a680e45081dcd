"""Channels in attention and in recurrent layers."""

import dataclasses

import keras
import numpy as np

from keras_eff.channels.rules.elementwise import applied
from keras_eff.channels.rules.elementwise import is_elementwise
from keras_eff.channels.rules.registry import frozen
from keras_eff.channels.rules.registry import rule
from keras_eff.channels.rules.registry import rule_of
from keras_eff.channels.tensor_channels import TensorChannels
from keras_eff.graph.book import entry_of


@rule
def attention(call):
    """Whole heads go, and outputs."""
    layer = call.layer
    given = call.arguments()
    query, value = given["query"], given["value"]
    key = given.get("key")
    key = value if key is None else key
    output_size = call.outputs[0].shape[-1]
    plain = len(query.shape) == len(layer.output_dense.kernel.shape) == 3
    if getattr(layer, "use_gate", False) or not plain:
        return frozen(call)
    heads = call.begin("num_heads", layer.num_heads)
    for part, tensor in (
        (layer.query_dense, query),
        (layer.key_dense, key),
        (layer.value_dense, value),
    ):
        channels = call.read(2, tensor)
        call.need_zero(channels)
        call.cut(part.kernel, 0, channels.ids)
        call.begins(part.kernel, 1, heads)
        call.begins(part.bias, 0, heads)
    mask = given.get("attention_mask")
    if mask is not None:
        call.freeze(call.channels_of(mask), f"{call.name} masks by them")
        if len(mask.shape) > 3:
            reason = f"{call.name} has a mask for each head"
            call.sets.freeze(heads, reason)
    kernel = layer.output_dense.kernel
    outputs = call.begin("output_shape", output_size)
    call.cut(kernel, 0, heads)
    call.begins(kernel, 2, outputs)
    call.begins(layer.output_dense.bias, 0, outputs)
    call.is_source(kernel, 2)
    call.is_source(layer.value_dense.kernel, 1)
    call.change("num_heads", heads)
    call.change("output_shape", outputs)
    kernels = [part.kernel for part in (layer.query_dense, layer.output_dense)]
    call.used(kernels, [query.shape[1]])
    call.used([layer.key_dense.kernel], [key.shape[1]])
    call.used([layer.value_dense.kernel], [value.shape[1]])
    channels = TensorChannels(2, outputs, np.zeros(output_size))
    return [channels, TensorChannels(1, heads, np.full(len(heads), np.nan))][
        : len(call.outputs)
    ]


@rule
def local_attention(call):
    """As `attention`, of dense layers whose outputs are heads in a row."""
    layer = call.layer
    channels = call.read(2)
    call.need_zero(channels)
    heads = call.begin("num_heads", layer.num_heads)
    for part, size in (
        (layer.query_dense, layer.key_dim),
        (layer.key_dense, layer.key_dim),
        (layer.value_dense, layer.value_dim),
    ):
        call.cut(part.kernel, 0, channels.ids)
        call.begins(part.kernel, 1, np.repeat(heads, size))
        call.begins(part.bias, 0, np.repeat(heads, size))
    last = layer.output_dense
    outputs = call.begin("output_dim", last.units)
    call.cut(last.kernel, 0, np.repeat(heads, layer.value_dim))
    call.begins(last.kernel, 1, outputs)
    call.begins(last.bias, 0, outputs)
    call.is_source(last.kernel, 1)
    call.is_source(layer.value_dense.kernel, 1)
    call.change("num_heads", heads)
    call.change("output_dim", outputs)
    length = call.tensors[0].shape[1]
    parts = (layer.query_dense, layer.key_dense, layer.value_dense)
    call.used([part.kernel for part in parts], [length])
    call.used([last.kernel], [call.outputs[0].shape[1]])
    channels = TensorChannels(2, outputs, np.zeros(last.units))
    return [channels, TensorChannels(2, heads, np.full(len(heads), np.nan))][
        : len(call.outputs)
    ]


@rule
def recurrent(call):
    """A unit without weights has a state of zero, in which it began."""
    layer = call.layer
    gates = entry_of(layer).num_gates
    units = call.begin("units", layer.units)
    columns = np.tile(units, gates)
    channels = call.read(2)
    call.need_zero(channels)
    cell = layer.cell
    call.cut(cell.kernel, 0, channels.ids)
    call.begins(cell.kernel, 1, columns)
    call.cut(cell.recurrent_kernel, 0, units)
    call.begins(cell.recurrent_kernel, 1, columns)
    call.begins(cell.bias, -1, columns)
    call.is_source(cell.kernel, 1)
    if not (_keeps_zero(cell.activation) and layer.stateful is False):
        call.sets.freeze(units, f"{call.name} does not stay at zero")
    call.change("units", units)
    kernels = [cell.kernel, cell.recurrent_kernel]
    call.used(kernels, [call.tensors[0].shape[1]])
    for state in _states(call):
        given = call.read(1, state)
        call.need_zero(given)
        call.sets.unite(units, given.ids)
    return _of_units(call, units)


@rule
def quasi_recurrent(call):
    layer = call.layer
    units = call.begin("units", layer.units)
    columns = np.tile(units, 1 + len(layer.pooling))
    channels = call.read(2)
    call.need_zero(channels)
    kernel = layer.convolution.kernel
    call.cut(kernel, 1, channels.ids)
    call.begins(kernel, 2, columns)
    call.begins(layer.convolution.bias, 0, columns)
    call.is_source(kernel, 2)
    is_fed = layer.stateful or layer.return_state or _states(call)
    if is_fed or not _keeps_zero(layer.activation):
        reason = f"{call.name} hands on its states, or does not stay at zero"
        call.sets.freeze(units, reason)
        call.freeze_inputs(reason)
    call.change("units", units)
    call.used([kernel], [call.tensors[0].shape[1]])
    # A third output is of the inputs, which are frozen then.
    known = _of_units(call, units)[:2]
    return [*known, *[None] * (len(call.outputs) - len(known))]


@rule
def bidirectional(call):
    """Both layers by their rule; they stay of one size, as Keras expects."""
    layer = call.layer
    if rule_of(layer.forward_layer) not in (recurrent, quasi_recurrent):
        return frozen(call)
    sizes = {layer.forward_layer.units, layer.backward_layer.units}
    if _states(call) or len(call.outputs) > 1 or len(sizes) > 1:
        return frozen(call)
    one = _half(call, "layer", layer.forward_layer)
    other = _half(call, "backward_layer", layer.backward_layer)
    call.sets.unite(one.ids, other.ids)
    if layer.merge_mode == "concat":
        ids = np.concatenate([one.ids, other.ids])
        return [TensorChannels(one.axis, ids, np.zeros(len(ids)))]
    return [one]


def _half(call, name, layer):
    """One direction, whose size is in the config of the whole."""
    whole = call.dependencies
    units = call.begin(name, layer.units)
    half = dataclasses.replace(whole, outputs={"units": units}, changes=[])
    half_call = dataclasses.replace(call, operation=layer, dependencies=half)
    (channels,) = rule_of(layer)(half_call)
    whole.changes.append(
        lambda kept: {name: _with_units(layer, int(kept(units).sum()))}
    )
    return channels


def _with_units(layer, units):
    described = keras.saving.serialize_keras_object(layer)
    described.pop("build_config", None)
    return {**described, "config": {**described["config"], "units": units}}


def _states(call):
    """The states that a call is given; masks are none."""
    states = call.arguments().get("initial_state")
    return [] if states is None else keras.tree.flatten(states)


def _of_units(call, units):
    """Each output has the units last."""
    zeros = np.zeros(len(units))
    return [
        TensorChannels(len(x.shape) - 1, units, zeros) for x in call.outputs
    ]


def _keeps_zero(function):
    return is_elementwise(function) and applied(function)(np.zeros(1))[0] == 0
