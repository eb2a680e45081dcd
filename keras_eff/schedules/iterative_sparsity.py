import keras

from keras_eff.arguments import read_integer
from keras_eff.arguments import read_number
from keras_eff.schedules.sparsity_schedule import SparsitySchedule


@keras.saving.register_keras_serializable(package="keras_eff")
class IterativeSparsity(SparsitySchedule):
    """Prunes a share of what remains, fine-tunes, and again, for some rounds.

    `s = 1 - (1 - prune_fraction)**rounds_begun`

    The first round begins at `begin_step`; each lasts `round_steps` steps.

    Args:
        prune_fraction: Float in [0, 1), share of the remaining weights that
            each round prunes.
        num_rounds: Integer, 1 or more.
        round_steps: Integer, 1 or more, steps from one pruning to the next.
        begin_step: Integer, 0 or more, the first step that prunes.

    Call arguments:
        step: See `keras_eff.schedules.SparsitySchedule`.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> schedule = keras_eff.schedules.IterativeSparsity(0.5, 2, 100)
    >>> schedule(np.array([0, 99, 100, 200]))
    array([0.5 , 0.5 , 0.75, 0.75])

    Reference:
        - [Menghani, 2021](https://arxiv.org/abs/2106.08962), algorithm 1
    """

    def __init__(self, prune_fraction, num_rounds, round_steps, begin_step=0):
        self.prune_fraction = read_number(
            "prune_fraction", prune_fraction, "[0, 1)"
        )
        self.num_rounds = read_integer("num_rounds", num_rounds, 1)
        self.round_steps = read_integer("round_steps", round_steps, 1)
        self.begin_step = read_integer("begin_step", begin_step, 0)

    def sparsity_at(self, step, ops):
        begun = ops.floor((step - self.begin_step) / self.round_steps) + 1.0
        rounds = ops.clip(begun, 0.0, float(self.num_rounds))
        return 1.0 - (1.0 - self.prune_fraction) ** rounds

    def get_config(self):
        return dict(vars(self))
