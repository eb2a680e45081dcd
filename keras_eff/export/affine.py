"""`scale * x + offset` for each channel, as one depthwise convolution."""

import keras
import numpy as np
from keras import ops

from keras_eff.transforms.affine import affine_terms


def affine(call, lowering):
    """A 1x1 depthwise convolution in place of an elementwise layer.

    Each channel has a scale of its own, so that the weights are exact in 8
    bits and the sum is rounded once. Layers that treat positions unlike one
    another are copied.
    """
    tensor = call.tensors[0]
    scale, offset = affine_terms(call.operation)
    channels, rank = tensor.shape[-1], len(tensor.shape)
    fits = all(_fits(term, channels) for term in (scale, offset))
    if not fits or rank not in (2, 3, 4):
        return lowering.copy(call)
    shape = (1,) * max(rank - 2, 1) + (channels, 1)
    weights = [
        np.broadcast_to(np.ravel(scale), channels).reshape(shape),
        np.broadcast_to(np.ravel(offset), channels),
    ]
    kind = "DepthwiseConv2D" if rank == 4 else "DepthwiseConv1D"
    layer = getattr(keras.layers, kind)(1, dtype="float32")
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
