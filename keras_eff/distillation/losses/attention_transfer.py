import keras
from keras import ops

from keras_eff.distillation.losses import layer_loss


@keras.saving.register_keras_serializable(package="keras_eff")
class AttentionTransfer(layer_loss.LayerLoss):
    """Where a layer is active: equal maps, whatever the number of channels.

    `mean(|q_student / ||q_student|| - q_teacher / ||q_teacher|||**2)` with the
    map `q`, the mean over the channels of the squares, as one vector for each
    sample.

    Args:
        teacher_layer_name: String, a layer of the teacher with outputs of
            shape (samples, ..., channels).
        student_layer_name: String, a layer of the student whose outputs have
            as many places.

    Raises:
        ValueError: When training begins, if the places differ.

    Example:

    >>> loss = keras_eff.distillation.AttentionTransfer("conv5", "conv2")
    >>> teacher, student = np.ones((2, 4, 4, 8)), np.ones((2, 4, 4, 3))
    >>> float(loss.compute_loss(teacher, student))
    0.0

    Reference:
        - [Zagoruyko & Komodakis, 2017](https://arxiv.org/abs/1612.03928),
          section 3.1, with the square of the distance, as in their code
    """

    def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
        places = teacher_outputs.shape[1:-1], student_outputs.shape[1:-1]
        layer_loss.check_shapes(self, *places, "maps")
        difference = _map(teacher_outputs) - _map(student_outputs)
        return ops.mean(ops.square(difference))


def _map(features):
    energy = ops.mean(ops.square(features), axis=-1)
    size = 1
    for length in energy.shape[1:]:
        size *= length
    return ops.normalize(ops.reshape(energy, (-1, size)), axis=-1)
