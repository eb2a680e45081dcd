import keras
from keras import ops

from keras_eff.distillation.losses import layer_loss


@keras.saving.register_keras_serializable(package="keras_eff")
class HiddenCosine(layer_loss.LayerLoss):
    """Hidden states that point the same way: `mean(1 - cos(teacher, student))`.

    The angle is between vectors along the last axis: the states of a token,
    the channels of a place.

    Args:
        teacher_layer_name: String, a layer of the teacher; None for its
            outputs.
        student_layer_name: String, a layer of the student with outputs of the
            same shape.

    Raises:
        ValueError: When training begins, if the shapes differ.

    Example:

    >>> loss = keras_eff.distillation.HiddenCosine("layer_5", "layer_2")
    >>> float(loss.compute_loss(np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]])))
    1.0

    Reference:
        - [Sanh et al., 2019](https://arxiv.org/abs/1910.01108), section 3
    """

    def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
        shapes = teacher_outputs.shape, student_outputs.shape
        layer_loss.check_shapes(self, *shapes, "hidden states")
        teacher = ops.normalize(teacher_outputs, axis=-1)
        student = ops.normalize(student_outputs, axis=-1)
        return ops.mean(1.0 - ops.sum(teacher * student, axis=-1))
