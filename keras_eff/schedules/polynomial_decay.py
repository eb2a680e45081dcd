import keras

from keras_eff.arguments import read_integer
from keras_eff.arguments import read_number
from keras_eff.schedules.sparsity_schedule import SparsitySchedule


@keras.saving.register_keras_serializable(package="keras_eff")
class PolynomialDecay(SparsitySchedule):
    """Prunes fast at first and ever more slowly, from one step to another.

    `s = final + (initial - final) * (1 - (step - begin) / (end - begin))**p`

    Before `begin_step` the sparsity is 0, after `end_step` it is
    `final_sparsity`.

    Args:
        initial_sparsity: Float in [0, 1), sparsity at `begin_step`.
        final_sparsity: Float in [0, 1), sparsity from `end_step` on.
        begin_step: Integer, 0 or more, the first step that prunes.
        end_step: Integer over `begin_step`.
        power: Positive float, the exponent `p`.

    Call arguments:
        step: See `keras_eff.schedules.SparsitySchedule`.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> schedule = keras_eff.schedules.PolynomialDecay(0.0, 0.8, 0, 2)
    >>> schedule(np.arange(4))
    array([0. , 0.7, 0.8, 0.8])

    Reference:
        - [Zhu & Gupta, 2017](https://arxiv.org/abs/1710.01878), equation 1
    """

    def __init__(
        self, initial_sparsity, final_sparsity, begin_step, end_step, power=3
    ):
        self.initial_sparsity = read_number(
            "initial_sparsity", initial_sparsity, "[0, 1)"
        )
        self.final_sparsity = read_number(
            "final_sparsity", final_sparsity, "[0, 1)"
        )
        self.begin_step = read_integer("begin_step", begin_step, 0)
        self.end_step = read_integer("end_step", end_step, self.begin_step + 1)
        self.power = read_number("power", power, "(0, inf)")

    def sparsity_at(self, step, ops):
        span = self.end_step - self.begin_step
        left = 1.0 - ops.clip((step - self.begin_step) / span, 0.0, 1.0)
        change = self.initial_sparsity - self.final_sparsity
        sparsity = self.final_sparsity + change * left**self.power
        return ops.where(step >= self.begin_step, sparsity, 0.0)

    def get_config(self):
        return dict(vars(self))
