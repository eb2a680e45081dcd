import itertools

import keras
import numpy as np
from keras import ops

from keras_eff.graph.affine_terms import is_scaling
from keras_eff.graph.book import SAME_SCALE
from keras_eff.graph.book import WEIGHTED
from keras_eff.graph.book import kind_of
from keras_eff.graph.cloning import clone
from keras_eff.graph.rewriter import Rewriter
from keras_eff.graph.tensor_notes import TensorNotes
from keras_eff.graph.walk import rebuild
from keras_eff.graph.walk import replay
from keras_eff.layers import FakeQuant
from keras_eff.layers.cloning import layers_of
from keras_eff.layers.keep_float import KeepFloat
from keras_eff.lowering.float_operations import float_operations
from keras_eff.lowering.float_operations import roundings_beside_floats
from keras_eff.lowering.traced_graph import ends_bounded

# The range and the factor of a tensor that is not rounded.
_UNMARKED = (None, 1.0)
_TAKES_FACTORS = ("linear", "model", "weighted", *SAME_SCALE)


class Lowering(Rewriter):
    """Rebuilds a model as the graph that is handed to the converter.

    In float32 and without nesting; chains of weight transforms computed once
    and for all; the ranges of `FakeQuant` layers fixed; and, by `rules`,
    integer operations written with those that the default delegate takes.
    """

    def __init__(self, rules):
        super().__init__(rules)
        self._marks = TensorNotes()
        self._floats = set()
        self._apart = set()
        self._gates = TensorNotes()
        self._slopes = itertools.count(2)

    def lower(self, model):
        """The graph that computes what `model`, left as it was, computes."""
        if self.rules and layers_of(model, FakeQuant):
            self._floats = float_operations(model)
            self._apart = roundings_beside_floats(model)
        return rebuild(model, self.rule, on_output=self.output)

    def rule(self, call):
        kind = kind_of(call.operation)
        if kind not in _TAKES_FACTORS and not is_scaling(call.operation):
            call = call.replaced(self.unscaled)
        is_padding = kind in SAME_SCALE and call.kwargs.get("constant_values")
        # What has a weight stays float by itself, and takes factors.
        is_float = call.operation in self._floats and kind not in WEIGHTED
        if is_float or is_padding:
            return self.in_floats(call)
        return super().rule(call)

    def output(self, tensor):
        """The tensor as an output of the model.

        Of a rounded one that floats are computed from too, a copy: where the
        file returns integers, the converter drops the floats.
        """
        tensor = self.unscaled(tensor)
        if tensor not in self._gates:
            return tensor
        return self.round(self.rescaled(tensor), *self.range_of(tensor))

    def in_floats(self, call):
        """Does a call in such a way that no part of it becomes integer."""
        call = call.replaced(lambda x: self.as_float(self.unscaled(x)))
        outputs = super().rule(call)
        if ends_bounded(call.tensors, outputs):
            return keras.tree.map_structure(_hidden, outputs)
        return outputs

    def rounds_apart(self, layer):
        """Whether a `FakeQuant` reads an input that others read as it is."""
        return layer in self._apart

    def as_float(self, tensor):
        """The tensor; behind a `KeepFloat` if it is rounded."""
        if self.range_of(tensor) is None:
            return tensor
        if tensor not in self._gates:
            self._gates[tensor] = KeepFloat(dtype="float32")(tensor)
        return self._gates[tensor]

    def nested(self, call):
        return replay(call.operation, call.tensors, self.rule)

    def clone(self, operation):
        if isinstance(operation, keras.layers.Layer):
            return clone_in_float32(operation)
        return clone(operation)

    def mark(self, outputs, bounds, factor=1.0):
        """Records the range and the factor of rounded tensors."""
        for tensor in keras.tree.flatten(outputs):
            self._marks[tensor] = (bounds, factor)
        return outputs

    def range_of(self, tensor):
        """The `(min, max)` of a rounded tensor, None for any other."""
        return self._marks.get(tensor, _UNMARKED)[0]

    def factor_of(self, tensor):
        """What a tensor must be multiplied by to be that of the old model."""
        return self._marks.get(tensor, _UNMARKED)[1]

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

    def rescaled(self, tensor):
        """The tensor, to be rounded to another range.

        By a slope below 1 by steps of float32, so that the converter does not
        drop it; and by another each time, so that it makes one of no two.
        """
        slope = 1.0 - next(self._slopes) * 2.0**-24
        return ops.leaky_relu(tensor, slope)

    def constant(self, key, layer, weights, tensor):
        """Calls a new layer that holds the given weights."""
        weights = [np.asarray(w, "float32") for w in weights]
        return self.apply(key, lambda: layer, weights, tensor)


def _hidden(tensor):
    """The tensor; a negation has no integers to hand on."""
    if "float" not in tensor.dtype:
        return tensor
    return -KeepFloat(dtype="float32")(-tensor)


def clone_in_float32(layer):
    """A new layer from the config of another, computing in float32."""
    return clone(layer, _in_float32)


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
