"""Channels in layers with weights, except for those of sequences."""

import dataclasses
import math

import keras
import numpy as np

from keras_eff.channels.activations import applied
from keras_eff.channels.activations import is_elementwise
from keras_eff.channels.flow import Flow


def dense(visit):
    layer = visit.layer
    flow = visit.read(visit.rank - 1)
    visit.cut(layer.kernel, 0, flow.labels)
    visit.fold(layer.kernel, 0, flow)
    visit.used([layer.kernel], visit.tensors[0].shape[1:-1])
    return _made(visit, layer.kernel, "units", layer.units, visit.rank - 1)


def convolution(visit):
    layer = visit.layer
    if layer.groups > 1:
        return _grouped(visit)
    flow = visit.read(visit.channel_axis)
    visit.cut(layer.kernel, -2, flow.labels)
    if layer.padding == "valid" or math.prod(layer.kernel_size) == 1:
        visit.fold(layer.kernel, -2, flow)
    else:
        # At the borders, zeros would take the place of the constant.
        visit.need_zero(flow)
    visit.used([layer.kernel], _spatial(visit, visit.outputs[0]))
    axis = visit.channel_axis
    return _made(visit, layer.kernel, "filters", layer.filters, axis)


def _grouped(visit):
    """Whole groups: their inputs and their outputs."""
    layer = visit.layer
    flow = visit.read(visit.channel_axis)
    visit.need_zero(flow)
    of_group = layer.filters // layer.groups
    groups = flow.labels.reshape(layer.groups, -1)
    labels = visit.begin("filters", layer.filters)
    for inputs, outputs in zip(
        groups, labels.reshape(layer.groups, -1), strict=True
    ):
        tied = np.concatenate([inputs, outputs])
        visit.labels.unite(tied[:-1], tied[1:])
    visit.change("groups", labels, of_group)
    visit.used([layer.kernel], _spatial(visit, visit.outputs[0]))
    axis = visit.channel_axis
    return _made(visit, layer.kernel, "filters", layer.filters, axis)


def transposed_convolution(visit):
    layer = visit.layer
    flow = visit.read(visit.channel_axis)
    visit.cut(layer.kernel, -1, flow.labels)
    visit.need_zero(flow)
    visit.used([layer.kernel], _spatial(visit, visit.tensors[0]))
    axis = visit.channel_axis
    return _made(visit, layer.kernel, "filters", layer.filters, axis, -2)


def depthwise(visit):
    layer = visit.layer
    flow = visit.read(visit.channel_axis)
    visit.begins(layer.kernel, -2, flow.labels)
    outputs = flow.repeated(layer.depth_multiplier)
    visit.begins(layer.bias, 0, outputs.labels)
    visit.used([layer.kernel], _spatial(visit, visit.outputs[0]))
    return [_activated(visit, outputs.holding(0.0))]


def separable(visit):
    layer = visit.layer
    flow = visit.read(visit.channel_axis)
    visit.need_zero(flow)
    visit.cut(layer.depthwise_kernel, -2, flow.labels)
    between = flow.repeated(layer.depth_multiplier)
    visit.cut(layer.pointwise_kernel, -2, between.labels)
    kernel, axis = layer.pointwise_kernel, visit.channel_axis
    sizes = _spatial(visit, visit.outputs[0])
    visit.used([layer.depthwise_kernel, kernel], sizes)
    return _made(visit, kernel, "filters", layer.filters, axis)


def depthwise_separable(visit):
    """Its layers one after another."""
    (flow,), (tensor,) = visit.flows, visit.tensors
    # `rule_of` reads this module.
    from keras_eff.channels.graph import rule_of

    for part in visit.layer.layers:
        shape = part.compute_output_shape(tensor.shape)
        output = keras.KerasTensor(shape, dtype=tensor.dtype)
        inner = dataclasses.replace(
            visit,
            layer=part,
            args=(tensor,),
            kwargs={},
            outputs=[output],
            flow_of=lambda x, known=flow: known,
        )
        if hasattr(part, "filters") and flow is not None:
            # A constant would have to go into the bias of this part.
            inner.need_zero(flow)
        (flow,) = rule_of(part)(inner)
        tensor = output
    return [flow]


def embedding(visit):
    layer = visit.layer
    visit.freeze_inputs(f"{visit.name} looks them up")
    labels = visit.begin("output_dim", layer.output_dim)
    visit.begins(layer.embeddings, 1, labels)
    visit.is_source(layer.embeddings, 1)
    visit.change("output_dim", labels)
    return [Flow(visit.rank, labels, np.zeros(len(labels)))]


def batch_normalization(visit):
    """A channel that has come in as a constant goes out as zero."""
    layer = visit.layer
    if layer.renorm:
        return frozen(visit)
    flow = visit.read(layer.axis % visit.rank)
    scaled = layer.gamma is not None
    if not scaled:
        reason = f"{visit.name} has no scale that could make them zero"
        visit.freeze(flow, reason, np.isnan(flow.values))
    visit.begins(layer.gamma, 0, flow.labels)
    visit.begins(layer.beta, 0, flow.labels)
    visit.cut(layer.moving_variance, 0, flow.labels)
    if scaled:
        visit.cut(layer.moving_mean, 0, flow.labels)
        visit.is_scale(layer.gamma)
    else:
        visit.begins(layer.moving_mean, 0, flow.labels, flow.values)
    return [flow.holding(0.0)]


def group_normalization(visit):
    """Only channels that are a group each do without the others."""
    layer = visit.layer
    flow = visit.flows[0]
    axis = layer.axis % visit.rank
    size = visit.tensors[0].shape[axis]
    if layer.groups not in (-1, size):
        return frozen(visit)
    flow = visit.read(axis)
    if not layer.scale:
        visit.need_zero(flow)
    visit.begins(layer.gamma, 0, flow.labels)
    visit.begins(layer.beta, 0, flow.labels)
    visit.site.changes.append(lambda kept: {"groups": -1})
    return [flow.holding(0.0)]


def prelu(visit):
    flow = visit.flows[0]
    alpha = visit.layer.alpha
    visit.cut_like_tensor(alpha, alpha.shape, flow)
    return [None if flow is None else flow.unknown()]


def frozen(visit):
    """Of what cannot be reasoned about, nothing goes."""
    visit.freeze_inputs(f"{visit.name} mixes or orders them in its own way")
    visit.site.reason = "nothing is known of how it uses its weights"
    return [None] * len(visit.outputs)


def _made(visit, kernel, name, count, axis, kernel_axis=-1):
    """The channels that a kernel makes, behind bias and activation."""
    labels = visit.begin(name, count)
    visit.begins(kernel, kernel_axis, labels)
    visit.begins(visit.layer.bias, 0, labels)
    visit.is_source(kernel, kernel_axis)
    visit.change(name, labels)
    return [_activated(visit, Flow(axis, labels, np.zeros(count)))]


def _activated(visit, flow):
    function = visit.layer.activation
    if is_elementwise(function):
        return flow.mapped(applied(function))
    visit.freeze(flow, f"the activation of {visit.name} may mix them")
    return flow


def _spatial(visit, tensor):
    axes = range(1, len(tensor.shape))
    return [tensor.shape[i] for i in axes if i != visit.channel_axis]
