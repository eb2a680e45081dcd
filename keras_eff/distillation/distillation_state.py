import keras
import numpy as np


class DistillationState(keras.metrics.Metric):
    """What distillation keeps from step to step, outside of the student.

    The means of the two losses since the epoch began, over samples, the weights
    of the losses in this epoch, and the connectors of `ConnectedFeatures`. A
    metric, for its variables train with a model and are not saved with it.
    """

    def __init__(self, num_losses):
        super().__init__(name="distillation")
        # On JAX it is there in validation too, which it has no part in.
        self.is_reported = False
        # "mean" over replicas: each makes the same step.
        self._sums = self.add("zeros", (2,))
        self._num_samples = self.add("zeros", ())
        self._weights = self.add("zeros", (1 + num_losses,))

    def add(self, initializer, shape):
        return self.add_variable(
            shape,
            keras.initializers.get(initializer),
            dtype="float32",
            aggregation="mean",
        )

    @property
    def student_weight(self):
        return self._weights[0]

    @property
    def loss_weights(self):
        return self._weights[1:]

    def set_weights_of_epoch(self, student_weight, loss_weights):
        self._weights.assign(np.array([student_weight, *loss_weights]))

    def record(self, student_loss, distillation_loss, num_samples):
        """Adds the losses of a batch, each a mean over its samples."""
        losses = keras.ops.stack([student_loss, distillation_loss])
        self._sums.assign(self._sums + losses * num_samples)
        self._num_samples.assign(self._num_samples + num_samples)

    def update_state(self, *args, **kwargs):
        """Nothing: a `train_step` may update all metrics with its labels."""

    def result(self):
        if not self.is_reported:
            return {}
        means = keras.ops.divide_no_nan(self._sums, self._num_samples)
        return {"student_loss": means[0], "distillation_loss": means[1]}

    def reset_state(self):
        """Keeps the connectors: an epoch begins, not a training."""
        self._sums.assign(np.zeros(2))
        self._num_samples.assign(0.0)
