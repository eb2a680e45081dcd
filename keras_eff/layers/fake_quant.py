import math
import numbers

import keras
from keras import ops

from keras_eff.ops.fake_quant import check_num_bits


@keras.saving.register_keras_serializable(package="keras_eff")
class FakeQuant(keras.layers.Layer):
    """Rounds its input to the values an integer tensor could hold.

    Place it where the deployed model quantizes: at its input, and after every
    operation that the int8 file computes. `keras_eff.quantize` places all of
    them for you. The range of values is per tensor and asymmetric, and always
    contains 0 exactly:

    `scale = (max - min) / (2**num_bits - 1)`,
    `output = clip(round(input / scale), ...) * scale`

    In training, the range follows the data: the first batch sets it, then
    `range = momentum * range + (1 - momentum) * batch range`. At inference,
    and while `trainable=False`, it is frozen. Until it has seen data
    (`calibrated` is False) the layer returns its input unchanged. Gradients
    pass straight through inside the range and are zero outside it. Rounding
    is done in float32, whatever the dtype policy.

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
    >>> keras.ops.convert_to_numpy(layer(np.array([-6.0, -1.0, 1.0, 5.0])))
    array([-8.,  0.,  0.,  4.], dtype=float32)

    Reference:
        - [Jacob et al., 2018](https://arxiv.org/abs/1712.05877), section 3
    """

    def __init__(self, num_bits=8, momentum=0.99, fixed_range=None, **kwargs):
        kwargs["autocast"] = False
        super().__init__(**kwargs)
        self.num_bits = check_num_bits("num_bits", num_bits, 2, 16)
        self.momentum = _check_momentum(momentum)
        self.fixed_range = _check_range(fixed_range)
        self.supports_masking = True
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
        return (float(self.range_min.value), float(self.range_max.value))

    @property
    def calibrated(self):
        """Whether the range is known: fixed, set, or learnt from data."""
        range_min, range_max = self.range
        return range_max > range_min

    def set_range(self, range_min, range_max):
        """Sets the range, widened to contain 0. For calibration."""
        if self.fixed_range is not None:
            raise ValueError(
                "A `FakeQuant` with a `fixed_range` keeps it. Received: "
                f"set_range({range_min}, {range_max}) on layer {self.name!r} "
                f"with fixed_range={self.fixed_range}"
            )
        self.range_min.assign(min(range_min, 0.0))
        # Not empty, even for a tensor that is always zero.
        empty = range_min >= 0.0 >= range_max
        self.range_max.assign(1e-6 if empty else max(range_max, 0.0))

    def call(self, inputs, training=False):
        if "float" not in keras.backend.standardize_dtype(inputs.dtype):
            raise TypeError(
                "`FakeQuant` takes a float tensor. Received: a tensor of dtype "
                f"{inputs.dtype}"
            )
        x = ops.cast(inputs, "float32")
        if self.observer is not None:
            self.observer(x)
            return inputs
        if self.fixed_range is not None:
            outputs = self._quantize(x, *self.fixed_range)
        else:
            if training and self.trainable:
                self._follow(x)
            range_min = ops.convert_to_tensor(self.range_min)
            range_max = ops.convert_to_tensor(self.range_max)
            outputs = ops.where(
                range_max > range_min,
                self._quantize(x, range_min, range_max),
                x,
            )
        return ops.cast(outputs, inputs.dtype)

    def _follow(self, x):
        low = ops.minimum(ops.min(x), 0.0)
        high = ops.maximum(ops.max(x), 0.0)
        range_min = ops.convert_to_tensor(self.range_min)
        range_max = ops.convert_to_tensor(self.range_max)
        kept = ops.where(range_max > range_min, self.momentum, 0.0)
        self.range_min.assign(kept * range_min + (1.0 - kept) * low)
        self.range_max.assign(kept * range_max + (1.0 - kept) * high)

    def _quantize(self, x, range_min, range_max):
        return keras.quantizers.fake_quant_with_min_max_vars(
            x, range_min, range_max, num_bits=self.num_bits
        )

    def compute_output_spec(self, inputs, training=False):
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "num_bits": self.num_bits,
            "momentum": self.momentum,
            "fixed_range": self.fixed_range,
        }


def _check_momentum(momentum):
    if not isinstance(momentum, numbers.Real) or not 0 <= momentum < 1:
        raise ValueError(
            "Argument `momentum` must be a float in [0, 1). "
            f"Received: momentum={momentum!r}"
        )
    return float(momentum)


def _check_range(fixed_range):
    if fixed_range is None:
        return None
    try:
        low, high = (float(bound) for bound in fixed_range)
    except (TypeError, ValueError):
        low, high = 1.0, 0.0
    if not (math.isfinite(high - low) and low <= 0 <= high and low < high):
        raise ValueError(
            "Argument `fixed_range` must be a pair of finite floats "
            "(min, max) with min <= 0 <= max and min < max. "
            f"Received: fixed_range={fixed_range!r}"
        )
    return (low, high)
