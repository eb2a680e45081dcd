import keras
from keras import ops

from keras_eff.arguments import read_number
from keras_eff.distillation.losses import layer_loss

_MOMENTUM, _VELOCITY = 0.9, 0.999


@keras.saving.register_keras_serializable(package="keras_eff")
class ConnectedFeatures(layer_loss.LayerLoss):
    """Features of another width, matched through a learned linear map.

    `mean((student @ kernel + bias - teacher)**2)`, the product along the last
    axis, as a 1x1 convolution. The connector, `kernel` and `bias`, is trained
    by Adam beside the student, from the gradient of this loss alone; it is no
    part of the student and is dropped when the training ends.

    Args:
        teacher_layer_name: String, a layer of the teacher; None for its
            outputs.
        student_layer_name: String, a layer of the student whose outputs have
            the same shape but for the last axis.
        learning_rate: Positive float, that of the connector.

    Raises:
        ValueError: If `learning_rate` is not positive, or, when training
            begins, if the shapes differ elsewhere.

    Example:

    >>> loss = keras_eff.distillation.ConnectedFeatures("block_5", "block_2")
    >>> loss.student_layer_name, loss.learning_rate
    ('block_2', 0.001)

    Reference:
        - [Romero et al., 2015](https://arxiv.org/abs/1412.6550), section 2.1
    """

    def __init__(
        self,
        teacher_layer_name=None,
        student_layer_name=None,
        learning_rate=1e-3,
    ):
        super().__init__(teacher_layer_name, student_layer_name)
        self.learning_rate = read_number(
            "learning_rate", learning_rate, "(0, inf)"
        )
        self.drop()

    def build(self, add_variable, teacher_shape, student_shape):
        """Makes the connector.

        Args:
            add_variable: Function of a shape and an initializer that returns a
                variable which a train step may assign.
            teacher_shape: Shape of the teacher's features.
            student_shape: Shape of the student's.
        """
        shapes = teacher_shape[1:-1], student_shape[1:-1]
        layer_loss.check_shapes(self, *shapes, "features but for the last axis")
        width, wanted = student_shape[-1], teacher_shape[-1]

        def parameter(shape, initializer):
            moments = [add_variable(shape, "zeros") for _ in range(2)]
            return add_variable(shape, initializer), *moments

        self._parameters = [
            parameter((width, wanted), "glorot_uniform"),
            parameter((wanted,), "zeros"),
        ]
        self._num_steps = add_variable((), "zeros")

    def drop(self):
        """Lets go of the connector, when the training has ended."""
        self._parameters = self._num_steps = None

    def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
        return ops.mean(
            ops.square(self._error(teacher_outputs, student_outputs))
        )

    def learn(self, teacher_outputs, student_outputs, weights=None):
        """Trains the connector for one step.

        Args:
            teacher_outputs: Tensor, the teacher's features.
            student_outputs: Tensor, the student's.
            weights: Optional tensor, a weight for each sample or place.
        """
        # By hand: the student's optimizer knows the student's weights alone.
        error = self._error(teacher_outputs, student_outputs)
        slope = 2.0 * error / ops.cast(ops.size(error), error.dtype)
        if weights is not None:
            axes = [1] * (len(slope.shape) - len(weights.shape))
            slope = slope * ops.reshape(weights, (*ops.shape(weights), *axes))
        slope = ops.stop_gradient(_rows(slope))
        inputs = ops.transpose(ops.stop_gradient(_rows(student_outputs)))
        self._step([ops.matmul(inputs, slope), ops.sum(slope, axis=0)])

    def _error(self, teacher_outputs, student_outputs):
        (kernel, *_), (bias, *_) = self._parameters
        return ops.matmul(student_outputs, kernel) + bias - teacher_outputs

    def _step(self, gradients):
        """One step of Adam."""
        step = self._num_steps + 1.0
        self._num_steps.assign(step)
        rate = self.learning_rate * ops.sqrt(1.0 - _VELOCITY**step)
        rate = rate / (1.0 - _MOMENTUM**step)
        for (value, first, second), gradient in zip(
            self._parameters, gradients, strict=True
        ):
            mean = _MOMENTUM * first + (1.0 - _MOMENTUM) * gradient
            square = (1.0 - _VELOCITY) * ops.square(gradient)
            square = _VELOCITY * second + square
            first.assign(mean)
            second.assign(square)
            value.assign(value - rate * mean / (ops.sqrt(square) + 1e-7))

    def get_config(self):
        return {**super().get_config(), "learning_rate": self.learning_rate}


def _rows(features):
    return ops.reshape(features, (-1, features.shape[-1]))
