import keras
from keras import ops

from keras_eff.arguments import read_integer
from keras_eff.arguments import read_number
from keras_eff.arguments import wrong_argument
from keras_eff.layers.arguments import config_of

# The scale of a narrower range, and its inverse, do not fit into float32.
_NARROWEST = 2.0**-100
_WIDEST = 1e38
# For a tensor that is always zero.
_WIDTH_OF_ZERO = 1e-6


@keras.saving.register_keras_serializable(package="keras_eff")
class FakeQuant(keras.layers.Layer):
    """Rounds its input to the values an integer tensor could hold.

    Place it where the deployed model quantizes: at its input, and after every
    operation that the int8 file computes. `keras_eff.quantize` places all of
    them for you. The range of values is per tensor and asymmetric, and is
    moved by up to half a step so that 0 is one of the values:

    `scale = (max - min) / (2**num_bits - 1)`,
    `zero_point = round(-min / scale)`,
    `integer = clip(round(input / scale) + zero_point, 0, 2**num_bits - 1)`,
    `output = (integer - zero_point) * scale`

    In training, the range follows the data: the first batch sets it, then
    `range = momentum * range + (1 - momentum) * batch range`, widened to
    contain 0. A batch of zeros alone does not count as the first; a batch
    with NaN or infinity leaves the range as it is. At inference, and while
    `trainable=False`, the range is frozen. Until it has seen data
    (`calibrated` is False) the layer returns its input unchanged. Gradients
    pass straight through inside the range and are zero outside it. Rounding
    is done in float32, whatever the dtype policy. Replicas of
    `tf.distribute` share one range, the mean of theirs.

    Args:
        num_bits: Integer in [2, 16], width of the simulated integer, in bits.
        momentum: Float in [0, 1), share of the old range kept at each step.
        fixed_range: Optional pair of floats `(min, max)` with
            `min <= 0 <= max` and `min < max`, in units of the input: a range
            that never moves, as for an input whose range is known.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Float tensor.
        training: Boolean, whether the range follows `inputs`.

    Input shape:
        Any.

    Output shape:
        Same as the input shape.

    Raises:
        ValueError: If `num_bits`, `momentum` or `fixed_range` is out of range.
        TypeError: If called on a tensor that is not float.

    Example:

    >>> layer = keras_eff.layers.FakeQuant(num_bits=2, fixed_range=(-6.0, 6.0))
    >>> inputs = np.array([-7.0, -1.0, 1.0, 5.0], dtype="float32")
    >>> keras.ops.convert_to_numpy(layer(inputs))
    array([-8.,  0.,  0.,  4.], dtype=float32)

    Reference:
        - [Jacob et al., 2018](https://arxiv.org/abs/1712.05877), sections 2
          and 3.1; the range starts at the first batch, not at an arbitrary
          one, and activations are rounded from the first step on.
    """

    def __init__(self, num_bits=8, momentum=0.99, fixed_range=None, **kwargs):
        kwargs["autocast"] = False
        super().__init__(**kwargs)
        self.num_bits = read_integer("num_bits", num_bits, 2, 16)
        self.momentum = read_number("momentum", momentum, "[0, 1)")
        self.fixed_range = read_range("fixed_range", fixed_range)
        self.supports_masking = True
        # A function of the input, called in place of rounding, if not None.
        self.observer = None

    def build(self, input_shape=None):
        if self.fixed_range is None:
            self.range_min = self._add_bound("range_min")
            self.range_max = self._add_bound("range_max")

    def _add_bound(self, name):
        return self.add_weight(
            name=name,
            shape=(),
            initializer="zeros",
            dtype="float32",
            trainable=False,
            autocast=False,
            aggregation="mean",
        )

    @property
    def range(self):
        """Pair of floats, the current `(min, max)` in units of the input."""
        if self.fixed_range is not None:
            return self.fixed_range
        if not self.built:
            return (0.0, 0.0)
        bounds = (self.range_min, self.range_max)
        return tuple(float(ops.convert_to_numpy(bound)) for bound in bounds)

    @property
    def calibrated(self):
        """Whether the range is known: fixed, set, or learnt from data."""
        return _is_wide(*self.range)

    def set_range(self, range_min, range_max):
        """Sets the range, widened to contain 0. For calibration.

        Args:
            range_min: Float, at most `range_max`, in units of the input.
            range_max: Float. If both are 0 the range is `(0, 1e-6)`.

        Raises:
            ValueError: If the range is fixed, or these are not bounds of one.
        """
        if self.fixed_range is not None:
            raise ValueError(
                "A `FakeQuant` with a `fixed_range` keeps it. Received: "
                f"set_range({range_min}, {range_max}) on layer {self.name!r} "
                f"with fixed_range={self.fixed_range}"
            )
        low = read_number("range_min", range_min)
        high = read_number("range_max", range_max)
        if low > high or high - low > _WIDEST:
            raise ValueError(
                "`set_range` takes finite floats `range_min` <= `range_max`. "
                f"Received: set_range({range_min}, {range_max})"
            )
        if not self.built:
            self.build()
        range_min, range_max = min(range_min, 0.0), max(range_max, 0.0)
        if not _is_wide(range_min, range_max):
            range_max = _WIDTH_OF_ZERO
        self.range_min.assign(range_min)
        self.range_max.assign(range_max)

    def call(self, inputs, training=False):
        _check_float(inputs)
        x = ops.cast(inputs, "float32")
        if self.observer is not None:
            self.observer(x)
            return inputs
        if self.fixed_range is not None:
            return self._quantize(x, *self.fixed_range, inputs.dtype)
        if training and self.trainable:
            self._follow(x)
        range_min = ops.convert_to_tensor(self.range_min)
        range_max = ops.convert_to_tensor(self.range_max)
        # A branch, not a selection: that would cost two passes over the data.
        return ops.cond(
            _is_wide(range_min, range_max),
            lambda: self._quantize(x, range_min, range_max, inputs.dtype),
            lambda: inputs,
        )

    def _follow(self, x):
        low, high = ops.min(x, initial=0.0), ops.max(x, initial=0.0)
        old_low = ops.convert_to_tensor(self.range_min)
        old_high = ops.convert_to_tensor(self.range_max)
        kept = ops.where(_is_wide(old_low, old_high), self.momentum, 0.0)
        is_finite = ops.isfinite(high - low)
        for bound, old, new in (
            (self.range_min, old_low, low),
            (self.range_max, old_high, high),
        ):
            average = kept * old + (1.0 - kept) * new
            bound.assign(ops.where(is_finite, average, old))

    def _quantize(self, x, range_min, range_max, dtype):
        outputs = keras.quantizers.fake_quant_with_min_max_vars(
            x, range_min, range_max, num_bits=self.num_bits
        )
        return ops.cast(outputs, dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def compute_output_spec(self, inputs, training=False):
        _check_float(inputs)
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)

    def get_config(self):
        names = "num_bits momentum fixed_range"
        return {**super().get_config(), **config_of(self, names)}


def _is_wide(range_min, range_max):
    return range_max - range_min > _NARROWEST


def _check_float(inputs):
    dtype = keras.backend.standardize_dtype(inputs.dtype)
    if "float" not in dtype:
        raise TypeError(
            "`FakeQuant` takes a float tensor: cast it first. "
            f"Received: a tensor of dtype {dtype}"
        )


def read_range(name, value):
    """Reads a pair of bounds with 0 between them, or None."""
    if value is None:
        return None
    try:
        low, high = (read_number(name, bound) for bound in value)
    except (TypeError, ValueError):
        low = high = 0.0
    if not low <= 0 <= high or not _is_wide(low, high) or high - low > _WIDEST:
        expected = (
            "a pair of finite floats (min, max) with min <= 0 <= max and "
            "min < max"
        )
        raise wrong_argument(name, value, expected)
    return low, high
