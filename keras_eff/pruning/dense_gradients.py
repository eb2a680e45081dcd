import contextlib

import keras
import numpy as np
from keras import ops

# Of one step: each failure halves the loss scale of mixed_float16.
_MAX_TRIALS = 40


class DenseGradients:
    """The gradients of a model's loss by its pruned weights, zeros included.

    What the loss gains from a weight that is pruned cannot be read from the
    weight itself, which gets no gradient. The gradient is taken by a *probe*,
    a tensor of zeros added to the masked weight. The model is left as it was,
    and runs as at inference.
    """

    def __init__(self, model, prunables, data):
        self.data = data
        self._model = _ProbedModel(model, prunables)
        # Of zeros, a step of SGD with rate 1 makes the negative gradient.
        self._model.compile(
            keras.optimizers.SGD(1.0), jit_compile=model.jit_compile
        )

    def mean(self, rows):
        """The gradient of the mean loss over some rows of the data.

        Returns: List of NumPy arrays, one for each prunable weight.
        """
        for probe in self._model.probes:
            probe.assign(np.zeros(probe.shape, "float32"))
        batch = keras.tree.map_structure(
            lambda a: np.asarray(a)[rows], self.data
        )
        with _unchanged(self._model.model.metrics_variables):
            self._step(batch)
        return [-ops.convert_to_numpy(p) for p in self._model.probes]

    def _step(self, batch):
        optimizer = self._model.optimizer
        before = int(optimizer.iterations)
        for _ in range(_MAX_TRIALS):
            self._model.train_on_batch(*batch)
            # Under mixed_float16 a gradient that overflows is not applied.
            if int(optimizer.iterations) > before:
                return
        raise RuntimeError(
            "The gradients by the pruned weights must be finite. "
            "Received: infinity or NaN at any scale of the loss"
        )

    def mean_square(self, rows):
        """The mean over some rows of the square of each row's gradient."""
        total = [0.0] * len(self._model.probes)
        for row in rows:
            gradients = self.mean(np.array([row]))
            total = [t + g**2 for t, g in zip(total, gradients, strict=True)]
        return [t / len(rows) for t in total]


@contextlib.contextmanager
def _unchanged(variables):
    """Gives variables back the values that they have now."""
    values = [ops.convert_to_numpy(variable) for variable in variables]
    yield
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


class _ProbedModel(keras.Model):
    """A model computed with a probe added to each of its masked weights."""

    def __init__(self, model, prunables):
        super().__init__(name="probed_model", autocast=False)
        self.model = model
        self._prunables = tuple(prunables)
        self.probes = [
            self.add_weight(
                shape=p.variable.shape, initializer="zeros", name=f"probe_{i}"
            )
            for i, p in enumerate(prunables)
        ]
        self.built = True

    @property
    def trainable_variables(self):
        return list(self.probes)

    @property
    def trainable_weights(self):
        return list(self.probes)

    @property
    def non_trainable_variables(self):
        return list(self.model.variables)

    @property
    def non_trainable_weights(self):
        return list(self.model.weights)

    def call(self, x):
        values = {id(v): (v, v.value) for v in self.model.variables}
        for prunable, probe in zip(self._prunables, self.probes, strict=True):
            weight, mask = prunable.variable, prunable.mask.mask
            hidden = ops.zeros_like(weight.value)
            masked = ops.where(mask.value, weight.value, hidden)
            values[id(weight)] = (weight, masked + probe)
            values[id(mask)] = (mask, ops.ones_like(mask.value))
        # All of them: one left out would lose its value in a scope around.
        with keras.StatelessScope(list(values.values())):
            return self.model(x, training=False)

    def compute_loss(self, *args, **kwargs):
        return self.model.compute_loss(*args, **kwargs)
