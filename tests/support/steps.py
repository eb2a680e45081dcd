"""Weight transforms with state per channel, as a user would write them."""

import keras
import numpy as np
from keras import ops

import keras_eff


@keras.saving.register_keras_serializable(package="keras_eff_tests")
class ChannelMask(keras_eff.layers.WeightTransform):
    """Hides channels; one flag for each."""

    order = 0.5

    def build(self, input_shape):
        self.mask = self.add_weight(
            shape=input_shape[-1:], initializer="ones", trainable=False
        )

    def call(self, weight):
        return weight * self.mask

    def state_axes(self, variable):
        return (-1,)


@keras.saving.register_keras_serializable(package="keras_eff_tests")
class LearnedStepSize(keras_eff.layers.WeightTransform):
    """Rounds to multiples of a trained scale per channel (LSQ)."""

    order = 2

    def __init__(self, num_bits=4, **kwargs):
        super().__init__(**kwargs)
        self.num_bits = num_bits
        self.limit = 2 ** (num_bits - 1) - 1

    def build(self, input_shape):
        initializer = keras.initializers.RandomUniform(0.05, 0.2, seed=0)
        self.scale = self.add_weight(
            name="scale", shape=input_shape[-1:], initializer=initializer
        )

    def call(self, weight):
        clipped = ops.clip(weight / self.scale, -self.limit, self.limit)
        rounded = ops.stop_gradient(ops.round(clipped) - clipped)
        return (clipped + rounded) * self.scale

    def state_axes(self, variable):
        return (-1,)

    def grid(self, weight):
        scale = ops.convert_to_numpy(self.scale)
        clipped = np.clip(weight / scale, -self.limit, self.limit)
        return keras_eff.layers.Grid(np.rint(clipped), scale, self.num_bits)

    def get_config(self):
        return {**super().get_config(), "num_bits": self.num_bits}
