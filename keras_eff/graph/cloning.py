"""Copies of operations that share nothing with the old ones."""

import keras

from keras_eff.graph import book
from keras_eff.graph.walk import copy_bare
from keras_eff.layers import TransformedWeights
from keras_eff.layers import WeightFakeQuant
from keras_eff.layers import WeightTransform
from keras_eff.layers import cloning


def clone(operation, adapt=lambda config: config, **changes):
    """A new operation; see `layers.cloning.clone_layer`."""
    if not isinstance(operation, keras.layers.Layer):
        return copy_bare(operation)
    return cloning.clone_layer(operation, adapt, **changes)


def with_weight_fake_quant(layer, num_bits: int):
    """A clone whose chain of weight transforms ends in a fake-quant.

    One for each kernel. Steps that the layer has already are kept, with their
    state; an earlier fake-quant of a weight makes way for the new one. A step
    of the user's that has a grid, and is the last of the weight, stands in its
    place.
    """
    chain = chain_of(layer)
    last = {step.weight_name: step for step in chain.transforms}
    new = [
        WeightFakeQuant(num_bits, x.scales, weight_name=x.name, dtype="float32")
        for x in book.kernels_of(layer)
        if x.name not in last or not has_own_grid(last[x.name])
    ]
    if new:
        return chain.with_step(*new)
    copy = clone(layer)
    cloning.copy_state(layer, copy)
    return copy


def has_own_grid(step) -> bool:
    """Whether a step of the user's tells the integers that it rounds to."""
    is_ours = isinstance(step, WeightFakeQuant)
    return not is_ours and type(step).grid is not WeightTransform.grid


def chain_of(layer) -> TransformedWeights:
    """The layer; in an empty chain, if it has none."""
    if isinstance(layer, TransformedWeights):
        return layer
    return TransformedWeights(layer, [])


def without_activation(layer):
    """A clone that leaves its activation, and what that costs, to others."""
    changes = {"activation": "linear", "activity_regularizer": None}
    if isinstance(layer, TransformedWeights):
        return with_transforms(layer, map(clone, layer.transforms), **changes)
    return clone(layer, **changes)


def with_transforms(layer, transforms, **changes):
    """A clone, its config changed, that sees its weights through a chain."""
    return TransformedWeights(
        clone(book.unwrapped(layer), **changes),
        list(transforms),
        name=layer.name,
        trainable=layer.trainable,
    )
