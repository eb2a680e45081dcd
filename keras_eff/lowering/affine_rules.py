"""`scale * x + offset` for each channel, as one depthwise convolution."""

import keras
import numpy as np
from keras import ops

from keras_eff.graph.affine_terms import affine_terms
from keras_eff.layers import TransformedWeights
from keras_eff.lowering.one_scale import OneScale
from keras_eff.lowering.one_scale import rounded_to_one_scale


def affine(call, lowering):
    """A 1x1 depthwise convolution in place of an elementwise layer.

    The sum is rounded once. All channels share one scale where that moves no
    factor by more than 1 %, which is less than the rounding of the outputs
    does; else each has its own, in which its weight is exact. Layers that
    treat positions unlike one another are copied.
    """
    tensor = call.tensors[0]
    scale, offset = affine_terms(call.operation)
    channels, rank = tensor.shape[-1], len(tensor.shape)
    fits = all(_fits(term, channels) for term in (scale, offset))
    if not fits or rank not in (2, 3, 4):
        return lowering.copy(call)
    scale = np.broadcast_to(np.ravel(scale), channels)
    offset = np.broadcast_to(np.ravel(offset), channels)
    kind = "DepthwiseConv2D" if rank == 4 else "DepthwiseConv1D"
    layer = getattr(keras.layers, kind)(1, dtype="float32")
    rounded = rounded_to_one_scale(scale, tolerance=0.01)
    if rounded is not None:
        # The mean of a channel stays where it was.
        mean = getattr(call.operation, "moving_mean", np.zeros(channels))
        offset = offset + (scale - rounded) * ops.convert_to_numpy(mean)
        scale, layer = rounded, TransformedWeights(layer, [OneScale()])
    shape = (1,) * max(rank - 2, 1) + (channels, 1)
    weights = [scale.reshape(shape), offset]
    if rank == 2:
        tensor = ops.expand_dims(tensor, 1)
    key = (id(call.operation), "affine")
    outputs = lowering.constant(key, layer, weights, tensor)
    return ops.squeeze(outputs, 1) if rank == 2 else outputs


def _fits(term, channels):
    """Whether a term is one number, or one number for each channel."""
    shape = np.shape(term)
    return np.size(term) == 1 or (
        np.size(term) == channels and shape[-1] == channels
    )
