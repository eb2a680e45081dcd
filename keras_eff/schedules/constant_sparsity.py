import keras

from keras_eff.arguments import read_integer
from keras_eff.arguments import read_number
from keras_eff.schedules.sparsity_schedule import SparsitySchedule


@keras.saving.register_keras_serializable(package="keras_eff")
class ConstantSparsity(SparsitySchedule):
    """The same sparsity from one step on; 0 before it.

    Args:
        target_sparsity: Float in [0, 1), share of the weights that are zero.
        begin_step: Integer, 0 or more, the first step that prunes.

    Call arguments:
        step: See `keras_eff.schedules.SparsitySchedule`.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> schedule = keras_eff.schedules.ConstantSparsity(0.5, begin_step=2)
    >>> schedule(np.arange(4))
    array([0. , 0. , 0.5, 0.5])
    """

    def __init__(self, target_sparsity, begin_step=0):
        self.target_sparsity = read_number(
            "target_sparsity", target_sparsity, "[0, 1)"
        )
        self.begin_step = read_integer("begin_step", begin_step, 0)

    def sparsity_at(self, step, ops):
        return ops.where(step >= self.begin_step, self.target_sparsity, 0.0)

    def get_config(self):
        return dict(vars(self))
