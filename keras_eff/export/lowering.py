import keras
import numpy as np

from keras_eff.layers import FakeQuant
from keras_eff.transforms.affine import is_scaling
from keras_eff.transforms.cloning import clone
from keras_eff.transforms.graph import rebuild
from keras_eff.transforms.graph import replay
from keras_eff.transforms.kinds import kind_of
from keras_eff.transforms.rewriter import Rewriter

# Below 1 by the least step: a rescaling that the converter does not drop.
ALMOST_ONE = 1.0 - 2.0**-24
_TAKES_FACTORS = ("linear", "model", "same_scale", "weighted")


class Lowering(Rewriter):
    """Rebuilds a model as the graph that is handed to the converter.

    In float32 and without nesting; chains of weight transforms computed once
    and for all; the ranges of `FakeQuant` layers fixed; and, by `rules`,
    integer operations written with those that the default delegate takes.
    """

    def __init__(self, rules):
        super().__init__(rules)
        self._marks = {}
        self._read_as_floats = {}

    def lower(self, model):
        """The graph that computes what `model`, left as it was, computes."""
        return rebuild(model, self.rule, on_output=self.output)

    def rule(self, call):
        kind = kind_of(call.operation)
        if kind not in _TAKES_FACTORS and not is_scaling(call.operation):
            call = call.replaced(self.unscaled)
        outputs = super().rule(call)
        if any(_is_float(reader) for reader in call.consumers):
            flat = keras.tree.flatten(outputs)
            self._read_as_floats |= {id(x): x for x in flat}
        return outputs

    def output(self, tensor):
        """The tensor as an output of the model.

        Of a rounded one that floats are computed from too, a copy: where the
        file returns integers, the converter drops the floats.
        """
        tensor = self.unscaled(tensor)
        bounds = self.range_of(tensor)
        if bounds is None or id(tensor) not in self._read_as_floats:
            return tensor
        return self.round(keras.ops.leaky_relu(tensor, ALMOST_ONE), *bounds)

    def nested(self, call):
        return replay(call.operation, call.tensors, self.rule)

    def clone(self, operation):
        if isinstance(operation, keras.layers.Layer):
            return clone_in_float32(operation)
        return clone(operation)

    def mark(self, outputs, bounds, factor=1.0):
        """Records the range and the factor of rounded tensors."""
        for tensor in keras.tree.flatten(outputs):
            # With the tensor itself: its id must not be given to another.
            self._marks[id(tensor)] = (tensor, bounds, factor)
        return outputs

    def range_of(self, tensor):
        """The `(min, max)` of a rounded tensor, None for any other."""
        return self._marks.get(id(tensor), (None, None, 1.0))[1]

    def factor_of(self, tensor):
        """What a tensor must be multiplied by to be that of the old model."""
        return self._marks.get(id(tensor), (None, None, 1.0))[2]

    def scale(self, tensor, factor):
        """Multiplies a rounded tensor, in the weights of what reads it."""
        factor *= self.factor_of(tensor)
        outputs = keras.layers.Identity(dtype="float32")(tensor)
        return self.mark(outputs, self.range_of(tensor), factor)

    def unscaled(self, tensor):
        """The tensor with its factor applied."""
        factor = self.factor_of(tensor)
        if factor == 1.0:
            return tensor
        low, high = self.range_of(tensor)
        return self.round(tensor * factor, low * factor, high * factor)

    def round(self, tensor, low, high):
        """The tensor rounded to 8 bits over a fixed range."""
        outputs = FakeQuant(fixed_range=(low, high), dtype="float32")(tensor)
        return self.mark(outputs, (low, high))

    def constant(self, key, layer, weights, tensor):
        """Calls a new layer that holds the given weights."""
        weights = [np.asarray(w, "float32") for w in weights]
        return self.apply(key, lambda: layer, weights, tensor)


def clone_in_float32(layer):
    """A new layer from the config of another, computing in float32."""
    return clone(layer, _in_float32)


def _is_float(reader):
    return reader is not None and kind_of(reader) == "unknown"


def _in_float32(config):
    if isinstance(config, keras.DTypePolicy):
        return "float32"
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return "float32"
        return {key: _in_float32(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_in_float32(item) for item in config)
    return config
