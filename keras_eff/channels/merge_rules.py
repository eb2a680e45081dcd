"""Channels where tensors meet, element by element or side by side."""

import keras
import numpy as np

from keras_eff.channels.activations import applied
from keras_eff.channels.activations import is_elementwise
from keras_eff.channels.flow import Flow
from keras_eff.graph.book import entry_of


def merge(visit):
    """Tensors of one shape lose the same channels."""
    operands = _operands(visit)
    size = len(visit.outputs[0].shape)
    arrays = [x for x in operands if not isinstance(x, keras.KerasTensor)]
    is_plain = all(np.ndim(x) == 0 for x in arrays)
    tensors = visit.tensors
    if not is_plain or any(len(x.shape) != size for x in tensors):
        visit.freeze_inputs(f"{visit.name} broadcasts them")
        return [None]
    flow = _united(visit, tensors)
    if flow is None:
        return [None]
    with np.errstate(all="ignore"):
        values = [_values(visit, operand, flow) for operand in operands]
        values = entry_of(visit.layer).combine(values)
    return [flow.holding(values)]


def _operands(visit):
    leaves = keras.tree.flatten((visit.args, visit.kwargs))
    return [x for x in leaves if x is not None]


def _united(visit, tensors):
    """The channels of all; each stays that meets what cannot change."""
    flows = [visit.flow_of(x) for x in tensors]
    known = [flow for flow in flows if flow is not None]
    if not known:
        return None
    axis = max(known, key=lambda flow: len(flow.labels)).axis
    wide = [
        (x, flow)
        for x, flow in zip(tensors, flows, strict=True)
        if x.shape[axis] != 1
    ]
    for x, flow in zip(tensors, flows, strict=True):
        if x.shape[axis] == 1 and wide:
            visit.freeze(flow, f"{visit.name} spreads it over the others")
    chosen = [flow for _, flow in wide if flow is not None] or known
    if any(flow is None or flow.axis != axis for _, flow in wide):
        visit.freeze_inputs(f"{visit.name} meets what cannot change")
        return None
    first, *others = chosen
    for other in others:
        visit.labels.unite(first.labels, other.labels)
    return first


def _values(visit, operand, flow):
    """What an operand holds where the channels of the result are gone."""
    if not isinstance(operand, keras.KerasTensor):
        return np.full(len(flow.labels), float(operand))
    own = visit.flow_of(operand)
    if own is None or own.axis != flow.axis:
        return np.full(len(flow.labels), np.nan)
    if len(own.labels) != len(flow.labels):
        return np.full(len(flow.labels), np.nan)
    return own.values


def concatenate(visit):
    """Side by side along the axis of the channels, or tied."""
    layer, flows = visit.layer, visit.flows
    axis = layer.axis % visit.rank
    known = [flow for flow in flows if flow is not None]
    if not known:
        return [None]
    if len(_operands(visit)) != len(flows):
        visit.freeze_inputs(f"{visit.name} puts a constant beside them")
        return [None]
    if all(flow.axis == axis for flow in known):
        flows = [visit.read(axis, x) for x in visit.tensors]
        labels = np.concatenate([flow.labels for flow in flows])
        values = np.concatenate([flow.values for flow in flows])
        return [Flow(axis, labels, values)]
    if len(known) < len(flows) or len({flow.axis for flow in known}) > 1:
        visit.freeze_inputs(f"{visit.name} meets what cannot change")
        return [None]
    first, *others = known
    values = first.values
    for other in others:
        visit.labels.unite(first.labels, other.labels)
        values = np.where(values == other.values, values, np.nan)
    return [first.holding(values)]


def elementwise(visit):
    """An operation, or an activation, of each element by itself."""
    flow = visit.flows[0]
    if flow is None:
        return [None]
    function = getattr(visit.layer, "activation", None)
    if function is not None and not is_elementwise(function):
        visit.freeze(flow, f"{visit.name} may mix them")
        return [None]
    return [flow.mapped(applied(function or visit.layer.call))]


def unchanged(visit):
    """What is the identity at inference, or keeps constants closely."""
    shape = getattr(visit.layer, "noise_shape", None)
    flows = visit.flows[: len(visit.outputs)]
    for flow in flows:
        if shape and flow is not None and shape[flow.axis] not in (None, 1):
            visit.freeze(flow, f"{visit.name} has noise of their shape")
    return flows


def rounded(visit):
    flow = visit.flows[0]
    return [None if flow is None else flow.unknown()]


def rescaling(visit):
    flow, layer = visit.flows[0], visit.layer
    if flow is None:
        return [None]
    if np.ndim(layer.scale) or np.ndim(layer.offset):
        visit.freeze(flow, f"{visit.name} has a constant for each")
        return [None]
    return [flow.mapped(lambda x: x * layer.scale + layer.offset)]
