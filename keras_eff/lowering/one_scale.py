import keras
import numpy as np
from keras import ops

from keras_eff.layers import WeightTransform


class OneScale(WeightTransform):
    """Makes the converter give a depthwise kernel one scale for all channels.

    Of its own accord it gives each channel one, in 8 bytes more.
    """

    order = 2

    def call(self, weight):
        peak = ops.max(ops.abs(weight))
        return keras.quantizers.fake_quant_with_min_max_vars(
            weight, -peak, peak, narrow_range=True
        )


def rounded_to_one_scale(weights, tolerance: float) -> np.ndarray | None:
    """The weights as integers in [-127, 127] times one number.

    `tolerance`: float in [0, 1), the largest share of itself by which a weight
    may move.

    Returns: Array of the shape of `weights`; None if a weight would move
    farther, or all are 0 and there is no scale to find.
    """
    step = np.abs(weights).max() / 127.0
    if step == 0.0:
        return None
    rounded = np.rint(weights / step) * step
    moves = np.abs(rounded - weights)
    return rounded if np.all(moves <= tolerance * np.abs(weights)) else None
