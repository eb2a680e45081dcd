import keras


class LayerLoss(keras.distillation.DistillationLoss):
    """A loss between what a layer of the teacher and one of the student say.

    An abstract base: a subclass implements `compute_loss`.

    Class attributes:
        is_mean_of_samples: Boolean, whether the loss of a batch is the mean of
            the losses of its samples, so that they may be weighted.
    """

    is_mean_of_samples = True

    def __init__(self, teacher_layer_name=None, student_layer_name=None):
        self.teacher_layer_name = teacher_layer_name
        self.student_layer_name = student_layer_name

    def get_config(self):
        return {
            "teacher_layer_name": self.teacher_layer_name,
            "student_layer_name": self.student_layer_name,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def check_shapes(loss, teacher_shape, student_shape, what: str) -> None:
    """Raises a ValueError unless two shapes are equal where both are known."""
    pairs = list(zip(teacher_shape, student_shape, strict=False))
    is_same_rank = len(teacher_shape) == len(student_shape)
    if not is_same_rank or any(None not in p and p[0] != p[1] for p in pairs):
        raise ValueError(
            f"`{type(loss).__name__}` needs {what} of equal shape in teacher "
            f"and student. Received: {tuple(teacher_shape)} of layer "
            f"{loss.teacher_layer_name!r} and {tuple(student_shape)} of layer "
            f"{loss.student_layer_name!r}"
        )
