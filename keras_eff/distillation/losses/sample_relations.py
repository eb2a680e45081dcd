import keras
from keras import ops

from keras_eff.distillation.losses.layer_loss import LayerLoss


@keras.saving.register_keras_serializable(package="keras_eff")
class SampleRelations(LayerLoss):
    """Samples that are near one another in the teacher are so in the student.

    The Huber loss between the distances of all pairs of samples in a batch,
    each divided by the mean distance. Widths may differ: only distances are
    compared. A batch of one sample has no pairs and a loss of 0; weights of
    samples do not apply.

    Args:
        teacher_layer_name: String, a layer of the teacher; None for its
            outputs.
        student_layer_name: String, a layer of the student; None for its
            outputs.

    Example:

    >>> loss = keras_eff.distillation.SampleRelations()
    >>> teacher = np.array([[0.0], [1.0], [2.0]])
    >>> float(loss.compute_loss(teacher, np.array([[0.0], [5.0], [10.0]])))
    0.0

    Reference:
        - [Park et al., 2019](https://arxiv.org/abs/1904.05068), section 3.2.1
    """

    is_mean_of_samples = False

    def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
        error = _distances(student_outputs) - _distances(teacher_outputs)
        size = ops.abs(error)
        return ops.mean(
            ops.where(size <= 1.0, 0.5 * ops.square(error), size - 0.5)
        )


def _distances(features):
    """The distances of all pairs, in units of their mean."""
    width = 1
    for length in features.shape[1:]:
        width *= length
    rows = ops.reshape(features, (-1, width))
    # Far from the origin, the squares below would leave rounding errors.
    rows = rows - ops.mean(rows, axis=0)
    squares = ops.sum(ops.square(rows), axis=1)
    sums = squares[:, None] + squares[None]
    gram = ops.matmul(rows, ops.transpose(rows))
    squared = sums - 2.0 * gram
    numbers = ops.cumsum(ops.ones_like(squares))
    # The gradient of a root has no end at 0, as of a sample and itself.
    is_apart = ops.logical_and(
        numbers[:, None] != numbers[None], squared > 1e-6 * sums
    )
    distances = ops.where(
        is_apart, ops.sqrt(ops.where(is_apart, squared, 1.0)), 0.0
    )
    pairs = ops.maximum(ops.sum(ops.cast(is_apart, distances.dtype)), 1.0)
    mean = ops.sum(distances) / pairs
    return distances / ops.maximum(mean, keras.config.epsilon())
