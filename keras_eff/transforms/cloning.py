"""Copies of layers that share nothing with the old ones."""

import keras

from keras_eff.layers import TransformedWeights
from keras_eff.layers import WeightFakeQuant
from keras_eff.transforms.kinds import WEIGHTS


def clone(operation, **changes):
    """A new operation from the config of another, some entries changed."""
    config = {**operation.get_config(), **changes}
    if isinstance(operation, keras.layers.Lambda):
        # Its config is code, which Keras refuses to load; this is no file.
        keywords = {"name": config["name"], "dtype": operation.dtype_policy}
        return type(operation)(operation.function, **keywords)
    return type(operation).from_config(config)


def with_weight_fake_quant(layer, num_bits: int, **changes):
    """A clone whose chain of weight transforms ends in a fake-quant.

    Transforms that the layer has already are cloned too; an earlier
    fake-quant of the weight makes way for the new one.
    """
    chain = []
    if isinstance(layer, TransformedWeights):
        chain = [
            step
            for step in layer.transforms
            if not isinstance(step, WeightFakeQuant)
        ]
        layer = layer.layer
    weight, channel_axes = WEIGHTS[type(layer).__name__]
    last = WeightFakeQuant(
        num_bits, channel_axes, weight=weight, dtype="float32"
    )
    return TransformedWeights(
        clone(layer, **changes), [*map(clone, chain), last]
    )
