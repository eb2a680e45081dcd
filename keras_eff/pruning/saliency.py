import functools

import keras
import numpy as np
from keras import ops

from keras_eff.pruning.optimizer_slots import slots_of

_ROWS = 128


class WeightStatistics:
    """What is known of the prunable weights at one step.

    Each property is a list of NumPy arrays, one for each weight, computed when
    it is first asked for.
    """

    def __init__(self, model, weights, gradients, step):
        self._model = model
        self._prunables = weights
        self._gradients = gradients
        self._step = step

    @functools.cached_property
    def weights(self):
        return [p.weight for p in self._prunables]

    @functools.cached_property
    def gradients(self):
        """Of the mean loss over 128 rows of the data."""
        return self._gradients.mean(self._rows())

    @functools.cached_property
    def square_gradients(self):
        """The mean over 128 rows of the square of each row's gradient."""
        return self._gradients.mean_square(self._rows())

    @functools.cached_property
    def momentums(self):
        """What the optimizer keeps as the mean of past gradients."""
        return [_momentum(self._model, p.variable) for p in self._prunables]

    @functools.cached_property
    def noise(self):
        """Uniform random numbers."""
        draw = self._generator().random
        return [draw(p.variable.shape, "float32") for p in self._prunables]

    def _rows(self):
        (size, *_) = {
            len(array) for array in keras.tree.flatten(self._gradients.data)
        }
        count = min(size, _ROWS)
        return self._generator().choice(size, count, replace=False)

    def _generator(self):
        return np.random.default_rng(self._step)


SALIENCIES = {
    "magnitude": lambda e: [np.abs(w) for w in e.weights],
    "momentum": lambda e: [np.abs(m) for m in e.momentums],
    "taylor": lambda e: [
        np.abs(w * g) for w, g in zip(e.weights, e.gradients, strict=True)
    ],
    "obd": lambda e: [
        w**2 * s / 2 for w, s in zip(e.weights, e.square_gradients, strict=True)
    ],
}

# What a pruned weight promises.
CRITERIA = {
    "gradient": lambda e: [np.abs(g) for g in e.gradients],
    "momentum": lambda e: [np.abs(m) for m in e.momentums],
    "random": lambda e: e.noise,
}

NEEDS_DATA = {"taylor", "obd", "gradient"}


def check_dataset(dataset, saliency, regrow) -> None:
    """Raises a ValueError unless there are the arrays that gradients need."""
    if {saliency, regrow} & NEEDS_DATA and not isinstance(dataset, tuple):
        raise ValueError(
            "Gradients need argument `dataset`, a tuple of arrays (x, y). "
            f"Received: dataset of {type(dataset)} with saliency={saliency!r}, "
            f"regrow={regrow!r}"
        )
    lengths = {len(x) for x in keras.tree.flatten(dataset) if x is not None}
    if len(lengths) > 1:
        raise ValueError(
            "Argument `dataset` must hold arrays of one length. "
            f"Received: lengths {sorted(lengths)}"
        )


def saliencies_of(saliency, statistics) -> list:
    """What each weight is worth: NumPy arrays, one for each `Prunable`."""
    if not callable(saliency):
        return SALIENCIES[saliency](statistics)
    saliencies = [np.asarray(saliency(w)) for w in statistics.weights]
    shapes = [w.shape for w in statistics.weights]
    if [s.shape for s in saliencies] != shapes:
        raise ValueError(
            "Argument `saliency` must return an array of the shape of the "
            f"weight. Received: shapes {[s.shape for s in saliencies]} for "
            f"weights of shapes {shapes}"
        )
    return saliencies


def _momentum(model, variable):
    for slot in slots_of(model, variable, "momentum"):
        momentum = ops.convert_to_numpy(slot)
        if np.any(momentum):
            return momentum
    kind = type(getattr(model, "optimizer", None))
    raise ValueError(
        "Momentum needs an optimizer that keeps one, such as Adam or "
        "SGD(momentum=0.9), and that has made a step: let the schedule begin "
        f"later. Received: {kind.__module__}.{kind.__name__}, without a "
        f"momentum of {variable.path}"
    )
