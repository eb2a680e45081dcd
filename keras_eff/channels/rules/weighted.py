"""Channels in layers with weights, except for those of sequences."""

import dataclasses
import math

import keras
import numpy as np

from keras_eff.channels.rules import elementwise
from keras_eff.channels.rules import registry
from keras_eff.channels.tensor_channels import TensorChannels
from keras_eff.graph.book import entry_of


@registry.rule
def dense(call):
    layer = call.layer
    channels = call.read(call.rank - 1)
    call.cut(layer.kernel, 0, channels.ids)
    call.fold(layer.kernel, 0, channels)
    call.used([layer.kernel], call.tensors[0].shape[1:-1])
    return _made(call, layer.kernel, "units", layer.units, call.rank - 1)


@registry.rule
def convolution(call):
    layer = call.layer
    if layer.groups > 1:
        return _grouped(call)
    channels = call.read(call.channel_axis)
    call.cut(layer.kernel, -2, channels.ids)
    if layer.padding == "valid" or math.prod(layer.kernel_size) == 1:
        call.fold(layer.kernel, -2, channels)
    else:
        # At the borders, zeros would take the place of the constant.
        call.need_zero(channels)
    call.used([layer.kernel], _spatial(call, call.outputs[0]))
    axis = call.channel_axis
    return _made(call, layer.kernel, "filters", layer.filters, axis)


def _grouped(call):
    """Whole groups: their inputs and their outputs."""
    layer = call.layer
    channels = call.read(call.channel_axis)
    call.need_zero(channels)
    of_group = layer.filters // layer.groups
    groups = channels.ids.reshape(layer.groups, -1)
    ids = call.begin("filters", layer.filters)
    for inputs, outputs in zip(
        groups, ids.reshape(layer.groups, -1), strict=True
    ):
        tied = np.concatenate([inputs, outputs])
        call.sets.unite(tied[:-1], tied[1:])
    call.change("groups", ids, of_group)
    call.used([layer.kernel], _spatial(call, call.outputs[0]))
    axis = call.channel_axis
    return _made(call, layer.kernel, "filters", layer.filters, axis)


@registry.rule
def transposed_convolution(call):
    layer = call.layer
    channels = call.read(call.channel_axis)
    call.cut(layer.kernel, -1, channels.ids)
    call.need_zero(channels)
    call.used([layer.kernel], _spatial(call, call.tensors[0]))
    axis = call.channel_axis
    return _made(call, layer.kernel, "filters", layer.filters, axis, -2)


@registry.rule
def depthwise(call):
    layer = call.layer
    channels = call.read(call.channel_axis)
    call.begins(layer.kernel, -2, channels.ids)
    outputs = channels.repeated(layer.depth_multiplier)
    call.begins(layer.bias, 0, outputs.ids)
    call.used([layer.kernel], _spatial(call, call.outputs[0]))
    return [_activated(call, outputs.holding(0.0))]


@registry.rule
def separable(call):
    layer = call.layer
    channels = call.read(call.channel_axis)
    call.need_zero(channels)
    call.cut(layer.depthwise_kernel, -2, channels.ids)
    between = channels.repeated(layer.depth_multiplier)
    call.cut(layer.pointwise_kernel, -2, between.ids)
    kernel, axis = layer.pointwise_kernel, call.channel_axis
    sizes = _spatial(call, call.outputs[0])
    call.used([layer.depthwise_kernel, kernel], sizes)
    return _made(call, kernel, "filters", layer.filters, axis)


@registry.rule
def depthwise_separable(call):
    """Its layers one after another."""
    (channels,), (tensor,) = call.channels, call.tensors
    for part in call.layer.layers:
        shape = part.compute_output_shape(tensor.shape)
        output = keras.KerasTensor(shape, dtype=tensor.dtype)
        inner = dataclasses.replace(
            call,
            operation=part,
            args=(tensor,),
            kwargs={},
            outputs=(output,),
            channels_of=lambda x, known=channels: known,
        )
        if entry_of(part).size is not None and channels is not None:
            # A constant would have to go into the bias of this part.
            inner.need_zero(channels)
        (channels,) = registry.rule_of(part)(inner)
        tensor = output
    return [channels]


@registry.rule
def embedding(call):
    layer = call.layer
    call.freeze_inputs(f"{call.name} looks them up")
    ids = call.begin("output_dim", layer.output_dim)
    call.begins(layer.embeddings, 1, ids)
    call.is_source(layer.embeddings, 1)
    call.change("output_dim", ids)
    return [TensorChannels(call.rank, ids, np.zeros(len(ids)))]


@registry.rule
def batch_normalization(call):
    """A channel that has come in as a constant goes out as zero."""
    layer = call.layer
    if layer.renorm:
        return registry.frozen(call)
    channels = call.read(layer.axis % call.rank)
    scaled = layer.gamma is not None
    if not scaled:
        reason = f"{call.name} has no scale that could make them zero"
        call.freeze(channels, reason, np.isnan(channels.values))
    call.begins(layer.gamma, 0, channels.ids)
    call.begins(layer.beta, 0, channels.ids)
    call.cut(layer.moving_variance, 0, channels.ids)
    if scaled:
        call.cut(layer.moving_mean, 0, channels.ids)
        call.is_scale(layer.gamma)
    else:
        call.begins(layer.moving_mean, 0, channels.ids, channels.values)
    return [channels.holding(0.0)]


@registry.rule
def group_normalization(call):
    """Only channels that are a group each do without the others."""
    layer = call.layer
    channels = call.channels[0]
    axis = layer.axis % call.rank
    size = call.tensors[0].shape[axis]
    if layer.groups not in (-1, size):
        return registry.frozen(call)
    channels = call.read(axis)
    if not layer.scale:
        call.need_zero(channels)
    call.begins(layer.gamma, 0, channels.ids)
    call.begins(layer.beta, 0, channels.ids)
    call.dependencies.changes.append(lambda kept: {"groups": -1})
    return [channels.holding(0.0)]


@registry.rule
def prelu(call):
    channels = call.channels[0]
    alpha = call.layer.alpha
    call.cut_like_tensor(alpha, alpha.shape, channels)
    return [None if channels is None else channels.unknown()]


def _made(call, kernel, name, count, axis, kernel_axis=-1):
    """The channels that a kernel makes, behind bias and activation."""
    ids = call.begin(name, count)
    call.begins(kernel, kernel_axis, ids)
    call.begins(call.layer.bias, 0, ids)
    call.is_source(kernel, kernel_axis)
    call.change(name, ids)
    return [_activated(call, TensorChannels(axis, ids, np.zeros(count)))]


def _activated(call, channels):
    function = call.layer.activation
    if elementwise.is_elementwise(function):
        return channels.mapped(elementwise.applied(function))
    call.freeze(channels, f"the activation of {call.name} may mix them")
    return channels


def _spatial(call, tensor):
    axes = range(1, len(tensor.shape))
    return [tensor.shape[i] for i in axes if i != call.channel_axis]
