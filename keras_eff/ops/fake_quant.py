import keras
from keras import ops

# The scale of a smaller peak, and its inverse, do not fit into float32.
_SMALLEST_PEAK = 2.0**-100


def fake_quant_weight(weight, num_bits: int, channel_axes: tuple[int, ...]):
    """Rounds a weight to a symmetric integer grid, one scale per channel.

    `scale = max|w| / (2**(num_bits - 1) - 1)` over all but `channel_axes`,
    `output = round(w / scale) * scale`, with the gradient of the identity
    ([Krishnamoorthi, 2018](https://arxiv.org/abs/1806.08342), section 3.1.2).
    The arithmetic is in float32 at least. A channel of zeros stays zero.

    `weight`: float tensor of any shape. `num_bits`: integer in [2, 8], width of
    the integers, in bits. `channel_axes`: axes that keep a scale of their own;
    empty for one scale per tensor.

    Returns: Tensor of the shape and dtype of `weight`.
    """
    integers, scale = weight_grid(weight, num_bits, channel_axes)
    quantized = ops.cast(integers * scale, weight.dtype)
    # Adds an exact 0 that carries the gradient.
    return ops.stop_gradient(quantized) + (weight - ops.stop_gradient(weight))


def weight_grid(weight, num_bits: int, channel_axes: tuple[int, ...]):
    """The integers and the scale of `fake_quant_weight`, as float tensors."""
    rank = len(weight.shape)
    kept = {axis % rank for axis in channel_axes}
    axes = tuple(axis for axis in range(rank) if axis not in kept)
    limit = 2 ** (num_bits - 1) - 1
    dtype = keras.backend.result_type(weight.dtype, "float32")
    exact = ops.cast(weight, dtype)
    peak = ops.max(ops.abs(exact), axis=axes, keepdims=True)
    scale = ops.where(peak > _SMALLEST_PEAK, peak, 1.0) / limit
    return ops.round(exact / scale), scale
