import dataclasses

import keras
import numpy as np
from keras import ops

from keras_eff.layers import PruningMask
from keras_eff.layers import TransformedWeights
from keras_eff.layers.sublayers import layers_of


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
        weight = ops.convert_to_numpy(self.variable)
        mask = ops.convert_to_numpy(self.mask.mask)
        return np.where(mask, weight, weight.dtype.type(0))

    def store_zeros(self, weight=None) -> None:
        """Makes the stored weight what the layer sees of one, by default it."""
        mask = ops.convert_to_numpy(self.mask.mask)
        weight = (
            ops.convert_to_numpy(self.variable) if weight is None else weight
        )
        self.variable.assign(np.where(mask, weight, weight.dtype.type(0)))


def prunables(model) -> list[Prunable]:
    """The prunable weights of a model, each once."""
    return [
        Prunable(layer, step)
        for layer in layers_of(model, TransformedWeights)
        for step in layer.transforms
        if isinstance(step, PruningMask)
    ]
