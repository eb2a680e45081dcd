"""What each channel of a group is worth."""

import operator
from collections.abc import Callable
from collections.abc import Iterable

import keras
import numpy as np

from keras_eff.channels.cut import Cutter
from keras_eff.channels.groups import ChannelGroup
from keras_eff.channels.groups import rows


def l1(group: ChannelGroup) -> np.ndarray:
    """The sum of the absolute weights that make a channel."""
    return sum(np.abs(weight).sum(1) for weight in group.weights)


def l2(group: ChannelGroup) -> np.ndarray:
    """The norm of the weights that make a channel."""
    return np.sqrt(sum(np.square(weight).sum(1) for weight in group.weights))


def bn_scale(group: ChannelGroup) -> np.ndarray | None:
    """The mean absolute factor of the batch normalizations behind."""
    if not group.scales:
        return None
    return sum(group.scales) / len(group.scales)


def relative(saliency: Callable) -> Callable:
    """A saliency in multiples of the mean of the group."""

    def of_group(group):
        scores = saliency(group)
        return scores / (scores.mean() or 1.0)

    return of_group


BY_NAME = {"l1": l1, "l2": l2, "bn_scale": bn_scale}


class Taylor:
    """What the loss would change by, to first order, without a channel.

    The mean over batches of the square of the sum of weight times gradient.

    `dataset`: tuple (x, y) or (x, y, sample_weight) of arrays, or batches of
    such tuples.
    """

    def __init__(self, model, graph, dataset, batch_size=32):
        cutter = Cutter(graph, set())
        self._model = cutter.rewrite(model)
        # Also what is frozen in training is worth something.
        self._model.trainable = True
        self._copies = {
            id(old): new
            for old, new in zip(
                model.variables, self._model.variables, strict=True
            )
        }
        # With rate 1, a step of SGD changes a weight by its gradient.
        self._model.compile(
            keras.optimizers.SGD(1.0),
            model.loss,
            jit_compile=False,
            auto_scale_loss=False,
        )
        self._values = [
            (v, keras.ops.convert_to_numpy(v)) for v in self._model.variables
        ]
        self._gradients = list(self._of(batches(dataset, batch_size)))

    def _of(self, data):
        for batch in data:
            self._model.train_on_batch(*batch)
            yield {
                id(v): value - keras.ops.convert_to_numpy(v)
                for v, value in self._values
            }
            for variable, value in self._values:
                variable.assign(value)

    def __call__(self, group: ChannelGroup) -> np.ndarray:
        scores = np.zeros(len(group.roots))
        for gradients in self._gradients:
            total = 0.0
            for weight, place in zip(group.weights, group.places, strict=True):
                variable, axis, places = place
                gradient = gradients[id(self._copies[id(variable)])]
                total = total + (weight * rows(gradient, axis, places)).sum(1)
            scores += np.square(total)
        return scores / len(self._gradients)


def batches(dataset, batch_size) -> Iterable[tuple]:
    """Tuples of arrays, each for a call of `train_on_batch`."""
    if not isinstance(dataset, tuple):
        yield from dataset
        return
    size = len(keras.tree.flatten(dataset)[0])
    for start in range(0, size, batch_size):
        chosen = slice(start, start + batch_size)
        yield keras.tree.map_structure(operator.itemgetter(chosen), dataset)


def scores_of(group: ChannelGroup, saliency: Callable) -> np.ndarray | None:
    """The scores, checked; None for a group that has none."""
    scores = saliency(group)
    if scores is None:
        return None
    scores = np.asarray(scores, float)
    if scores.shape != group.roots.shape or np.isnan(scores).any():
        raise ValueError(
            "Argument `saliency` must return a number for each channel of a "
            f"group. Received: shape {scores.shape}, NaN "
            f"{bool(np.isnan(scores).any())}, for the {len(group.roots)} "
            f"channels of {group.name!r}"
        )
    # Minus infinity is for what goes in any case.
    return np.maximum(scores, np.finfo(float).min)
