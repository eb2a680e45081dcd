"""Channels that stay silent, whatever a model is trained with afterwards."""

import keras
import numpy as np
from keras import ops

from keras_eff.channels.cut import silence
from keras_eff.channels.weight_averages import averages_of


class Silent:
    """The constraint that keeps the weights of silent channels at zero.

    An optimizer applies it in each of its steps: that of this `fit`, and those
    of later ones.

    `variable`: `keras.Variable`, of which nothing is silent yet. Its own
    constraint goes on to apply. `model`: `keras.Model` that trains it. The
    moving average that its optimizer keeps is made before constraints apply,
    and kept too.
    """

    def __init__(self, variable, model):
        self.constraint = variable.constraint
        self.variable = variable
        self.model = model
        # A variable, so that a function that was traced sees it change.
        self.gone = keras.Variable(
            np.zeros(variable.shape, bool), trainable=False, dtype="bool"
        )

    def __call__(self, value):
        if self.constraint is not None:
            value = self.constraint(value)
        average = averages_of(self.model).get(id(self.variable))
        if average is not None:
            average.assign(self._silenced(average))
        return self._silenced(value)

    def _silenced(self, value):
        # JAX computes with tensors only.
        gone, value = map(ops.convert_to_tensor, (self.gone, value))
        return ops.where(gone, ops.zeros_like(value), value)


def constrain(graph, model) -> bool:
    """Gives the variables by which channels become zero their constraint.

    Returns: Boolean, whether any did not have it.
    """
    free = [
        variable
        for layer in graph.layers.values()
        for variable, _ in layer.zeros.values()
        if not isinstance(variable.constraint, Silent)
    ]
    for variable in {id(variable): variable for variable in free}.values():
        variable.constraint = Silent(variable, model)
    return bool(free)


def keep_silent(graph, removed: set) -> list:
    """From now on, the optimizer keeps these channels silent.

    Returns: What `cut.silence` does, of tensors.
    """
    changes = silence(graph, removed)
    for variable, gone, held in changes:
        if not held.any():
            variable.constraint.gone.assign(gone)
    return [
        (
            variable,
            ops.convert_to_tensor(gone),
            ops.convert_to_tensor(held.astype(variable.dtype)),
        )
        for variable, gone, held in changes
    ]


def silent(graph, roots) -> set:
    """Those of some channels of which all that makes them is at zero."""
    awake = set()
    for of_axis, variable, axis, held in _axes(graph):
        value = np.moveaxis(ops.convert_to_numpy(variable), axis, -1)
        # What a normalization holds is a moving average: near, not equal.
        is_held = np.isclose(value, held, rtol=1e-3, atol=0.0)
        is_held = is_held.reshape(-1, value.shape[-1]).all(0)
        awake.update(of_axis[~is_held].tolist())
    return set(map(int, roots)) - awake


def silenced(graph) -> set:
    """The channels that an optimizer is to keep silent."""
    found = set()
    for of_axis, variable, axis, _ in _axes(graph):
        if isinstance(variable.constraint, Silent):
            gone = ops.convert_to_numpy(variable.constraint.gone)
            gone = np.moveaxis(gone, axis, -1).reshape(-1, gone.shape[axis])
            found.update(of_axis[gone.all(0)].tolist())
    return found


def _axes(graph):
    for layer in graph.layers.values():
        for (key, axis), (variable, held) in layer.zeros.items():
            roots = graph.sets.roots(layer.cuts[key][axis])
            yield roots, variable, axis, held
