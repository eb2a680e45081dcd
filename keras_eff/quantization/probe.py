import contextlib

import keras
from keras import ops

from keras_eff.graph.book import WEIGHTED
from keras_eff.graph.book import kernels_of
from keras_eff.graph.book import unwrapped
from keras_eff.graph.cloning import chain_of
from keras_eff.graph.rewriter import Rewriter
from keras_eff.layers import WeightFakeQuant
from keras_eff.ops.fake_quant import fake_quant_weight


class Probe(Rewriter):
    """Rebuilds a quantized model in float, each rounding to be switched on.

    The switches are variables, so that the model is compiled just once.

    `whole_of`: function from a layer with a rounded weight to the layer of the
    user's model that it is, or is a part of.

    Attributes:
        kernels: Dict from the name of such a layer to pairs of a rounded
            variable and the axes that keep a scale of their own.
        switches: Dict from the name of an operation that returns rounded
            values to the `Switch` of that rounding.
    """

    def __init__(self, whole_of):
        rules = dict.fromkeys(WEIGHTED, self._weighted)
        super().__init__({**rules, "fake_quant": self._fake_quant})
        self.whole_of = whole_of
        self.kernels = {}
        self.switches = {}

    def _fake_quant(self, call, _):
        (tensor,) = call.tensors
        name = call.operation.name.removesuffix("_fake_quant")
        if name not in self.switches:
            self.switches[name] = Switch(dtype=tensor.dtype)
        return self.switches[name]([tensor, self.copy(call)])

    def _weighted(self, call, _):
        layer = call.operation
        steps = getattr(layer, "transforms", ())
        is_rounded = any(isinstance(x, WeightFakeQuant) for x in steps)
        is_new = id(layer) not in self._layers
        outputs = self.apply(
            id(layer),
            lambda: chain_of(layer).without_step(WeightFakeQuant),
            None,
            *call.args,
            **call.kwargs,
        )
        if is_new and is_rounded:
            copy = unwrapped(self._layers[id(layer)])
            rounded = self.kernels.setdefault(self.whole_of(layer).name, [])
            rounded += [
                (getattr(copy, x.name), x.scales) for x in kernels_of(copy)
            ]
        return outputs


class Switch(keras.layers.Layer):
    """Returns the first of two tensors, or the second while it is on."""

    def build(self, input_shape):
        self.state = self.add_weight(
            shape=(), initializer="zeros", trainable=False, name="state"
        )

    def call(self, inputs):
        return ops.where(self.state > 0.5, inputs[1], inputs[0])

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    @contextlib.contextmanager
    def on(self):
        self.state.assign(1.0)
        try:
            yield
        finally:
            self.state.assign(0.0)


@contextlib.contextmanager
def rounded(kernels, num_bits: int):
    """Rounds variables to a width, each along its axes, and puts them back."""
    values = [ops.convert_to_numpy(variable) for variable, _ in kernels]
    for variable, axes in kernels:
        variable.assign(fake_quant_weight(variable.value, num_bits, axes))
    try:
        yield
    finally:
        for (variable, _), value in zip(kernels, values, strict=True):
            variable.assign(value)
