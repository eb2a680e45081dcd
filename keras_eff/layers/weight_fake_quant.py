import numbers

import keras
from keras import ops

from keras_eff.arguments import read_integer
from keras_eff.arguments import wrong_argument
from keras_eff.layers.arguments import config_of
from keras_eff.layers.grid import Grid
from keras_eff.layers.weight_transform import WeightTransform
from keras_eff.ops.fake_quant import fake_quant_weight
from keras_eff.ops.fake_quant import weight_grid


@keras.saving.register_keras_serializable(package="keras_eff")
class WeightFakeQuant(WeightTransform):
    """Rounds a weight to a symmetric integer grid, one scale per channel.

    The step of a `keras_eff.layers.TransformedWeights` chain that makes a
    layer compute with the very integers that its int8 file will hold. It acts
    alike in training and inference, and has no state: the scale follows the
    weight.

    `scale = max|weight| / (2**(num_bits - 1) - 1)`,
    `output = round(weight / scale) * scale`

    The maximum is over each channel. The gradient is that of the identity.
    A channel of zeros stays zero.

    Args:
        num_bits: Integer in [2, 8], width of the integers, in bits.
        channel_axes: Tuple of integers, the axes of the weight that keep a
            scale of their own; empty for one scale per tensor.
        weight_name: String, see `keras_eff.layers.WeightTransform`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        weight: Float tensor.

    Input shape:
        The shape of the weight.

    Output shape:
        Same as the input shape.

    Raises:
        ValueError: If `num_bits` is not an integer in [2, 8], or
            `channel_axes` are not axes of the weight.

    Example:

    >>> step = keras_eff.layers.WeightFakeQuant(num_bits=2)
    >>> kernel = np.array([[0.4, -3.0], [1.0, 1.4]], dtype="float32")
    >>> keras.ops.convert_to_numpy(step(kernel))
    array([[ 0., -3.],
           [ 1.,  0.]], dtype=float32)

    Reference:
        - [Krishnamoorthi, 2018](https://arxiv.org/abs/1806.08342), section
          3.1.2; the integers are `-limit..limit`, without `-limit - 1`, as
          int8 kernels demand.
    """

    order = 2

    def __init__(self, num_bits=8, channel_axes=(-1,), **kwargs):
        super().__init__(**kwargs)
        self.num_bits = read_integer("num_bits", num_bits, 2, 8)
        self.channel_axes = _check_axes(channel_axes)

    def build(self, input_shape):
        rank = len(input_shape)
        if any(not -rank <= axis < rank for axis in self.channel_axes):
            raise ValueError(
                f"Argument `channel_axes` must hold axes of the weight, which "
                f"has shape {tuple(input_shape)}. "
                f"Received: channel_axes={self.channel_axes}"
            )

    def call(self, weight):
        return fake_quant_weight(weight, self.num_bits, self.channel_axes)

    def grid(self, weight):
        """The integers and scales, see `keras_eff.layers.WeightTransform`."""
        weight = ops.convert_to_tensor(weight)
        found = weight_grid(weight, self.num_bits, self.channel_axes)
        return Grid(*map(ops.convert_to_numpy, found), self.num_bits)

    def get_config(self):
        names = "num_bits channel_axes"
        return {**super().get_config(), **config_of(self, names)}


def _check_axes(channel_axes):
    axes = channel_axes if isinstance(channel_axes, (list, tuple)) else [None]
    if not all(isinstance(axis, numbers.Integral) for axis in axes):
        expected = "a tuple of integers"
        raise wrong_argument("channel_axes", channel_axes, expected)
    return tuple(int(axis) for axis in axes)
