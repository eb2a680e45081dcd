from keras import ops


def check_num_bits(name: str, num_bits: int, low: int, high: int) -> int:
    """Returns `num_bits`, or raises a ValueError outside `[low, high]`."""
    if isinstance(num_bits, bool) or num_bits not in range(low, high + 1):
        raise ValueError(
            f"Argument `{name}` must be an integer in [{low}, {high}]. "
            f"Received: {name}={num_bits!r}"
        )
    return int(num_bits)


def fake_quant_weight(weight, num_bits: int, channel_axes: tuple[int, ...]):
    """Rounds a weight to a symmetric integer grid, one scale per channel.

    `scale = max|w| / (2**(num_bits - 1) - 1)` over all but `channel_axes`,
    `output = round(w / scale) * scale`, with the gradient of the identity
    ([Krishnamoorthi, 2018](https://arxiv.org/abs/1806.08342), section 3.1.2).

    Args:
        weight: Float tensor of any shape.
        num_bits: Integer in [2, 8], width of the integers, in bits.
        channel_axes: Axes that keep a scale of their own; empty for one
            scale per tensor.

    Returns:
        Tensor of the shape and dtype of `weight`.
    """
    rank = len(weight.shape)
    kept = {axis % rank for axis in channel_axes}
    axes = tuple(axis for axis in range(rank) if axis not in kept)
    limit = 2 ** (num_bits - 1) - 1
    peak = ops.max(ops.abs(weight), axis=axes, keepdims=True)
    scale = ops.where(peak > 0, peak, ops.ones_like(peak)) / limit
    quantized = ops.round(weight / scale) * scale
    return weight + ops.stop_gradient(quantized - weight)
