import math

import keras

from keras_eff.graph.book import WEIGHTED
from keras_eff.graph.book import is_kernel
from keras_eff.graph.book import kind_of
from keras_eff.graph.book import unwrapped
from keras_eff.graph.book import weight_of
from keras_eff.graph.book import weights_of
from keras_eff.graph.cloning import clone
from keras_eff.graph.cloning import with_weight_fake_quant
from keras_eff.graph.rewriter import Rewriter
from keras_eff.layers import TransformedWeights
from keras_eff.layers.cloning import layers_of
from keras_eff.lowering.lowering import Lowering
from keras_eff.ops.fake_quant import fake_quant_weight
from keras_eff.quantization.expansion import expand
from keras_eff.tflite.weight_only import scale_axis

# What holds weights in layers of its own, and the same function without.
_TAKEN_APART = (
    "attention",
    "composed",
    "model",
    "separable",
    "time_distributed",
)


def round_weights(model, num_bits: int, smallest: int):
    """A clone whose weights are rounded, and which computes in floats.

    Those of convolutions, dense layers and embeddings as a step of their
    layer; those of any other layer, such as a recurrent one or one of the
    user's, once and for all.

    `model`: sequential or Functional model without `FakeQuant` layers; it is
    left as it was. `num_bits`: integer in [2, 8], width of the weights, in
    bits; one scale per output channel, one for the table of an embedding.
    """
    wrapped = []

    def rounded(call, rewriter):
        layer = call.operation
        name = weight_of(layer).name
        if math.prod(getattr(unwrapped(layer), name).shape) < smallest:
            return rewriter.copy(call)

        def make():
            wrapped.append(with_weight_fake_quant(layer, num_bits))
            return wrapped[-1]

        return rewriter.apply(id(layer), make, None, *call.args, **call.kwargs)

    if any("float16" in variable.dtype for variable in model.variables):
        # Their values would be rounded once more.
        model = Lowering({}).lower(model)
    simple, _ = expand(model, lambda op: kind_of(op) not in _TAKEN_APART)
    rules = {**dict.fromkeys(WEIGHTED, rounded), "unknown": _seen}
    new = Rewriter(rules).rewrite(simple)
    done = {id(v) for layer in wrapped for v in layer.variables}
    others = [
        (layer, variable)
        for layer, variable in _weights_of(new)
        if id(variable) not in done and math.prod(variable.shape) >= smallest
    ]
    for layer, variable in others:
        axes = _scale_axes(layer, variable)
        variable.assign(fake_quant_weight(variable, num_bits, axes))
    if not wrapped and not others:
        raise ValueError(
            f"Model {model.name!r} has no weight of {smallest} elements or "
            "more to round: use another format"
        )
    return new


def _seen(call, rewriter):
    """A copy; with the weights that it computes with, if a chain makes them."""
    layer = call.operation
    if not isinstance(layer, TransformedWeights):
        return rewriter.copy(call)
    return rewriter.apply(
        id(layer),
        lambda: clone(layer.layer),
        layer.transformed_variables(),
        *call.args,
        **call.kwargs,
    )


def _weights_of(model):
    """Pairs of a layer anywhere in the model and a kernel or table of it."""
    owners = {}
    for layer in layers_of(model, keras.layers.Layer):
        # Frozen or not; it is not trained again.
        layer.trainable = True
        # Those in a layer of its own come later.
        owners |= {id(v): (layer, v) for v in layer.trainable_variables}
    return [
        (layer, variable)
        for layer, variable in owners.values()
        if is_kernel(variable)
    ]


def _scale_axes(layer, variable):
    """The axes of a weight that keep a scale each, as its layer reads it."""
    axes = _output_axes(layer, variable)
    if len(axes) != 1:
        channels = math.prod(variable.shape[axis] for axis in axes)
        few = math.prod(variable.shape) < 8 * channels
        return () if few else axes
    axis = scale_axis(variable.shape, axes[0])
    return () if axis is None else (axis,)


def _output_axes(layer, variable):
    for weight in weights_of(layer):
        if variable is getattr(layer, weight.name, None):
            return weight.scales
    # Of more axes than those of a matrix, how they are used is not known.
    return (-1,) if len(variable.shape) == 2 else ()
