import dataclasses

import keras
import numpy as np
from keras import ops

from keras_eff.layers import PruningMask
from keras_eff.layers import TransformedWeights
from keras_eff.layers.cloning import layers_of
from keras_eff.pruning.optimizer_slots import slots_of


@dataclasses.dataclass(frozen=True)
class Prunable:
    """A weight that can be pruned: its layer and the mask in its chain."""

    layer: TransformedWeights
    mask: PruningMask

    @property
    def variable(self) -> keras.Variable:
        return self.layer.variable_of(self.mask)

    @property
    def weight(self) -> np.ndarray:
        """The weight as the layer sees it, pruned entries 0."""
        return self.mask.stored(ops.convert_to_numpy(self.variable))

    def hide(self) -> None:
        """Makes the stored weight what the layer sees, where it is stored."""
        weight = ops.convert_to_tensor(self.variable)
        mask = ops.convert_to_tensor(self.mask.mask)
        self.variable.assign(ops.where(mask, weight, ops.zeros_like(weight)))

    def store_zeros(self, weight=None) -> None:
        """Makes the stored weight what the layer sees of one, by default it."""
        seen = self.weight if weight is None else self.mask.stored(weight)
        self.variable.assign(seen)

    def store_zeros_of_averages(self, model) -> None:
        """The same for the moving averages that optimizers keep of it."""
        for average in slots_of(model, self.variable, "average"):
            values = ops.convert_to_numpy(average)
            average.assign(self.mask.stored(values))


def prunables(model) -> list[Prunable]:
    """The prunable weights of a model, each once."""
    return [
        Prunable(layer, step)
        for layer in layers_of(model, TransformedWeights)
        for step in layer.transforms
        if isinstance(step, PruningMask)
    ]


def are_built(model) -> bool:
    """Whether the layers of a model have their weights, and masks."""
    return bool(model.built) and all(p.mask.built for p in prunables(model))


def store_zeros(model) -> None:
    """Makes zeros of what is pruned, in the weights and in their averages."""
    for prunable in prunables(model):
        prunable.store_zeros()
        prunable.store_zeros_of_averages(model)
