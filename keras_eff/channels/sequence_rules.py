"""Channels in attention and in recurrent layers."""

import dataclasses

import keras
import numpy as np

from keras_eff.channels.activations import applied
from keras_eff.channels.activations import is_elementwise
from keras_eff.channels.flow import Flow
from keras_eff.channels.weighted_rules import frozen
from keras_eff.graph.book import entry_of
from keras_eff.graph.book import is_changed


def attention(visit):
    """Whole heads go, and outputs."""
    layer = visit.layer
    given = visit.arguments()
    query, value = given["query"], given["value"]
    key = given.get("key")
    key = value if key is None else key
    output_size = visit.outputs[0].shape[-1]
    plain = len(query.shape) == len(layer.output_dense.kernel.shape) == 3
    if getattr(layer, "use_gate", False) or not plain:
        return frozen(visit)
    heads = visit.begin("num_heads", layer.num_heads)
    for part, tensor in (
        (layer.query_dense, query),
        (layer.key_dense, key),
        (layer.value_dense, value),
    ):
        flow = visit.read(2, tensor)
        visit.need_zero(flow)
        visit.cut(part.kernel, 0, flow.labels)
        visit.begins(part.kernel, 1, heads)
        visit.begins(part.bias, 0, heads)
    mask = given.get("attention_mask")
    if mask is not None:
        visit.freeze(visit.flow_of(mask), f"{visit.name} masks by them")
        if len(mask.shape) > 3:
            reason = f"{visit.name} has a mask for each head"
            visit.labels.freeze(heads, reason)
    kernel = layer.output_dense.kernel
    outputs = visit.begin("output_shape", output_size)
    visit.cut(kernel, 0, heads)
    visit.begins(kernel, 2, outputs)
    visit.begins(layer.output_dense.bias, 0, outputs)
    visit.is_source(kernel, 2)
    visit.is_source(layer.value_dense.kernel, 1)
    visit.change("num_heads", heads)
    visit.change("output_shape", outputs)
    kernels = [part.kernel for part in (layer.query_dense, layer.output_dense)]
    visit.used(kernels, [query.shape[1]])
    visit.used([layer.key_dense.kernel], [key.shape[1]])
    visit.used([layer.value_dense.kernel], [value.shape[1]])
    flow = Flow(2, outputs, np.zeros(output_size))
    return [flow, Flow(1, heads, np.full(len(heads), np.nan))][
        : len(visit.outputs)
    ]


def local_attention(visit):
    """As `attention`, of dense layers whose outputs are heads in a row."""
    layer = visit.layer
    flow = visit.read(2)
    visit.need_zero(flow)
    heads = visit.begin("num_heads", layer.num_heads)
    for part, size in (
        (layer.query_dense, layer.key_dim),
        (layer.key_dense, layer.key_dim),
        (layer.value_dense, layer.value_dim),
    ):
        visit.cut(part.kernel, 0, flow.labels)
        visit.begins(part.kernel, 1, np.repeat(heads, size))
        visit.begins(part.bias, 0, np.repeat(heads, size))
    last = layer.output_dense
    outputs = visit.begin("output_dim", last.units)
    visit.cut(last.kernel, 0, np.repeat(heads, layer.value_dim))
    visit.begins(last.kernel, 1, outputs)
    visit.begins(last.bias, 0, outputs)
    visit.is_source(last.kernel, 1)
    visit.is_source(layer.value_dense.kernel, 1)
    visit.change("num_heads", heads)
    visit.change("output_dim", outputs)
    length = visit.tensors[0].shape[1]
    parts = (layer.query_dense, layer.key_dense, layer.value_dense)
    visit.used([part.kernel for part in parts], [length])
    visit.used([last.kernel], [visit.outputs[0].shape[1]])
    flow = Flow(2, outputs, np.zeros(last.units))
    return [flow, Flow(2, heads, np.full(len(heads), np.nan))][
        : len(visit.outputs)
    ]


def recurrent(visit):
    """A unit without weights has a state of zero, in which it began."""
    layer = visit.layer
    gates = entry_of(layer).num_gates
    units = visit.begin("units", layer.units)
    columns = np.tile(units, gates)
    flow = visit.read(2)
    visit.need_zero(flow)
    cell = layer.cell
    visit.cut(cell.kernel, 0, flow.labels)
    visit.begins(cell.kernel, 1, columns)
    visit.cut(cell.recurrent_kernel, 0, units)
    visit.begins(cell.recurrent_kernel, 1, columns)
    visit.begins(cell.bias, -1, columns)
    visit.is_source(cell.kernel, 1)
    if not (_keeps_zero(cell.activation) and layer.stateful is False):
        visit.labels.freeze(units, f"{visit.name} does not stay at zero")
    visit.change("units", units)
    kernels = [cell.kernel, cell.recurrent_kernel]
    visit.used(kernels, [visit.tensors[0].shape[1]])
    for state in _states(visit):
        given = visit.read(1, state)
        visit.need_zero(given)
        visit.labels.unite(units, given.labels)
    return _of_units(visit, units)


def quasi_recurrent(visit):
    layer = visit.layer
    units = visit.begin("units", layer.units)
    columns = np.tile(units, 1 + len(layer.pooling))
    flow = visit.read(2)
    visit.need_zero(flow)
    kernel = layer.convolution.kernel
    visit.cut(kernel, 1, flow.labels)
    visit.begins(kernel, 2, columns)
    visit.begins(layer.convolution.bias, 0, columns)
    visit.is_source(kernel, 2)
    is_fed = layer.stateful or layer.return_state or _states(visit)
    if is_fed or not _keeps_zero(layer.activation):
        reason = f"{visit.name} hands on its states, or does not stay at zero"
        visit.labels.freeze(units, reason)
        visit.freeze_inputs(reason)
    visit.change("units", units)
    visit.used([kernel], [visit.tensors[0].shape[1]])
    # A third output is of the inputs, which are frozen then.
    flows = _of_units(visit, units)[:2]
    return [*flows, *[None] * (len(visit.outputs) - len(flows))]


def bidirectional(visit):
    """Both layers by their rule; they stay of one size, as Keras expects."""
    layer = visit.layer
    rule = _BOTH_WAYS.get(entry_of(layer.forward_layer).channels)
    if rule is None or is_changed(layer.forward_layer):
        return frozen(visit)
    sizes = {layer.forward_layer.units, layer.backward_layer.units}
    if _states(visit) or len(visit.outputs) > 1 or len(sizes) > 1:
        return frozen(visit)
    flows = [
        _half(visit, "layer", layer.forward_layer, rule),
        _half(visit, "backward_layer", layer.backward_layer, rule),
    ]
    one, other = flows
    visit.labels.unite(one.labels, other.labels)
    if layer.merge_mode == "concat":
        labels = np.concatenate([one.labels, other.labels])
        return [Flow(one.axis, labels, np.zeros(len(labels)))]
    return [one]


_BOTH_WAYS = {"recurrent": recurrent, "quasi_recurrent": quasi_recurrent}


def _half(visit, name, layer, rule):
    """One direction, whose size is in the config of the whole."""
    whole = visit.site
    units = visit.begin(name, layer.units)
    site = dataclasses.replace(whole, outputs={"units": units}, changes=[])
    (flow,) = rule(dataclasses.replace(visit, layer=layer, site=site))
    whole.changes.append(
        lambda kept: {name: _with_units(layer, int(kept(units).sum()))}
    )
    return flow


def _with_units(layer, units):
    described = keras.saving.serialize_keras_object(layer)
    described.pop("build_config", None)
    return {**described, "config": {**described["config"], "units": units}}


def _states(visit):
    """The states that a call is given; masks are none."""
    states = visit.arguments().get("initial_state")
    return [] if states is None else keras.tree.flatten(states)


def _of_units(visit, units):
    """Each output has the units last."""
    zeros = np.zeros(len(units))
    return [Flow(len(x.shape) - 1, units, zeros) for x in visit.outputs]


def _keeps_zero(function):
    return is_elementwise(function) and applied(function)(np.zeros(1))[0] == 0
