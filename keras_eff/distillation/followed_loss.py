import keras


class FollowedLoss(keras.distillation.DistillationLoss):
    """Teaches each output by the loss that the student is compiled with.

    The default of `keras_eff.callbacks.DistillationTeacher`, which tells what
    it does.
    """
