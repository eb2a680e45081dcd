import keras

from keras_eff import arguments


@keras.saving.register_keras_serializable(package="keras_eff")
class Stage:
    """A weight that is on in some epochs and 0 in others.

    For `distillation_loss_weights` and `student_loss_weight` of
    `keras_eff.callbacks.DistillationTeacher`: progressive transfer, one loss
    after another.

    Args:
        begin_epoch: Integer, 0 or more, the first epoch of the stage.
        end_epoch: Integer, the first epoch after it; None for no end.
        weight: Float, 0 or more, the weight in these epochs.

    Call arguments:
        epoch: Integer, from 0.

    Returns:
        A float, the weight in that epoch.

    Raises:
        ValueError: If the stage has no epoch, or the weight is negative.

    Example:

    >>> stage = keras_eff.distillation.Stage(2, 4)
    >>> [stage(epoch) for epoch in range(5)]
    [0.0, 0.0, 1.0, 1.0, 0.0]

    Reference:
        - [Sun et al., 2020](https://arxiv.org/abs/2004.02984), section 3.4
    """

    def __init__(self, begin_epoch, end_epoch=None, weight=1.0):
        self.begin_epoch = arguments.read_integer("begin_epoch", begin_epoch, 0)
        if end_epoch is not None:
            end_epoch = arguments.read_integer(
                "end_epoch", end_epoch, self.begin_epoch + 1, also="or None"
            )
        self.end_epoch = end_epoch
        self.weight = arguments.read_number("weight", weight, "[0, inf)")

    def __call__(self, epoch):
        has_ended = self.end_epoch is not None and epoch >= self.end_epoch
        is_on = epoch >= self.begin_epoch and not has_ended
        return self.weight if is_on else 0.0

    def get_config(self):
        return {
            "begin_epoch": self.begin_epoch,
            "end_epoch": self.end_epoch,
            "weight": self.weight,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)
