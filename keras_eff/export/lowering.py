import keras
import numpy as np

from keras_eff.layers import FakeQuant
from keras_eff.transforms.cloning import clone
from keras_eff.transforms.graph import rebuild
from keras_eff.transforms.graph import replay
from keras_eff.transforms.rewriter import Rewriter


class Lowering(Rewriter):
    """Rebuilds a model as the graph that is handed to the converter.

    In float32 and without nesting; chains of weight transforms computed once
    and for all; the ranges of `FakeQuant` layers fixed; and, by `rules`,
    integer operations written with those that the default delegate takes.
    """

    def __init__(self, rules):
        super().__init__(rules)
        self._ranges = {}

    def nested(self, call):
        return replay(call.operation, call.tensors, self.rule)

    def clone(self, operation):
        if isinstance(operation, keras.layers.Layer):
            return clone_in_float32(operation)
        return clone(operation)

    def range_of(self, tensor):
        """The `(min, max)` of a rounded tensor, None for any other."""
        return self._ranges.get(id(tensor), (None, None))[1]

    def mark(self, outputs, bounds):
        for tensor in keras.tree.flatten(outputs):
            # With the tensor itself: its id must not be given to another.
            self._ranges[id(tensor)] = (tensor, bounds)
        return outputs

    def round(self, tensor, low, high):
        """The tensor rounded to 8 bits over a fixed range."""
        outputs = FakeQuant(fixed_range=(low, high), dtype="float32")(tensor)
        return self.mark(outputs, (low, high))

    def constant(self, key, layer, weights, tensor):
        """Calls a new layer that holds the given weights."""
        weights = [np.asarray(w, "float32") for w in weights]
        return self.apply(key, lambda: layer, weights, tensor)


def lower(model, rules):
    """The model as it is handed to the converter; `model` stays as it was."""
    return rebuild(model, Lowering(rules).rule)


def clone_in_float32(layer):
    """A new layer from the config of another, computing in float32."""
    return clone(layer, **_in_float32(layer.get_config()))


def _in_float32(config):
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return "float32"
        return {key: _in_float32(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_in_float32(item) for item in config)
    return config
