import keras
from keras import ops

from keras_eff.arguments import read_number
from keras_eff.layers.arguments import read_seed


@keras.saving.register_keras_serializable(package="keras_eff")
class Zoneout(keras.layers.Layer):
    """Keeps some units of a recurrence as they were, in training.

    Each decay (a forget gate's output) becomes 1 with probability `rate`, and
    is not scaled otherwise: `1 - dropout(1 - decay)` without the rescaling of
    dropout. At inference the decays pass unchanged.

    Args:
        rate: Float in [0, 1), the probability.
        seed: Optional integer, for random numbers that repeat.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        decays: Float tensor.
        training: Boolean, whether to keep units.

    Input shape:
        Any.

    Output shape:
        Same as the input shape.

    Raises:
        ValueError: If `rate` is out of range.

    Example:

    >>> from keras_eff.layers.zoneout import Zoneout
    >>> zoneout = Zoneout(0.5, seed=0)
    >>> decays = zoneout(np.zeros(8), training=True)
    >>> sorted(set(keras.ops.convert_to_numpy(decays).tolist()))
    [0.0, 1.0]

    Reference:
        - [Bradbury et al., 2017](https://arxiv.org/abs/1611.01576), section 2.1
    """

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.rate = read_number("rate", rate, "[0, 1)")
        self.seed = read_seed(seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        self.supports_masking = True

    def call(self, decays, training=False):
        if not training or not self.rate:
            return decays
        draws = keras.random.uniform(
            ops.shape(decays), seed=self.seed_generator
        )
        return ops.where(draws < self.rate, ops.ones_like(decays), decays)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
