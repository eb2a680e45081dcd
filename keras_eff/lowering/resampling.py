"""Pooling and upsampling in operations that the XNNPACK delegate takes."""

import keras
import numpy as np
from keras import ops

from keras_eff.layers import TransformedWeights
from keras_eff.lowering.one_scale import OneScale


def average_pool(call, lowering):
    """A depthwise convolution with constant weights.

    With padding, a window at the border has fewer elements: its mean is the
    sum over all `k` places, divided by `k`, times `k / elements`.
    """
    layer, tensor = call.operation, call.tensors[0]
    rank, channels = len(tensor.shape) - 2, tensor.shape[-1]
    # A bare operation may have one number, and none for the strides.
    size = tuple(np.broadcast_to(layer.pool_size, rank).tolist())
    strides = layer.strides or size
    padded = layer.padding == "same"
    if (padded and None in tensor.shape[1:]) or rank > 2:
        return lowering.copy(call)
    share = np.full((*size, channels, 1), 1.0 / np.prod(size))
    convolution = getattr(keras.layers, f"DepthwiseConv{len(size)}D")(
        size,
        strides=strides,
        padding=layer.padding,
        use_bias=False,
        dtype="float32",
    )
    convolution = TransformedWeights(convolution, [OneScale()])
    key = (id(layer), "average")
    outputs = lowering.constant(key, convolution, [share], tensor)
    correction = _border_correction(size, strides, tensor) if padded else 1.0
    if np.all(correction == 1.0):
        return outputs
    reader = call.consumers[0]
    # The sums lie in the range of the means, which is the narrower one.
    bounds = getattr(reader, "range", lowering.range_of(tensor))
    return lowering.round(outputs, *bounds) * correction


def _border_correction(size, strides, tensor):
    """Shape (1, ..., 1): places in a window over those inside the tensor."""
    ones = np.ones((1, *tensor.shape[1:-1], 1), "float32")
    zero_padded = ops.depthwise_conv(
        ones, np.ones((*size, 1, 1), "float32"), strides=strides, padding="same"
    )
    places = np.float32(np.prod(size))
    return places / ops.convert_to_numpy(zero_padded)


def nearest_upsampling(layer, tensor):
    """Each element repeated, by joining the tensor with itself.

    Returns None unless it is a nearest upsampling of a known shape.
    """
    shape = tensor.shape[1:]
    if None in shape or getattr(layer, "interpolation", "") == "bilinear":
        return None
    factors = layer.size if len(shape) == 3 else (layer.size,)
    factors = np.ravel(factors).tolist()
    # From the last axis but one to the first: (..., n, inner).
    for axis in reversed(range(len(factors))):
        before, inner = shape[: axis + 1], int(np.prod(shape[axis + 1 :]))
        rows = ops.reshape(tensor, (-1, *before, inner))
        tensor = ops.concatenate([rows] * factors[axis], axis=-1)
        shape = (*shape[:axis], shape[axis] * factors[axis], *shape[axis + 1 :])
        tensor = ops.reshape(tensor, (-1, *shape))
    return tensor
