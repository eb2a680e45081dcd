"""Integer operations written with those that the XNNPACK delegate takes.

An operation that the delegate skips splits the graph: tensors are copied out
to a slow kernel and back. Each rule is the same function in other operations;
benchmarks/lowering/README.md has the times. A rule is a function from a `Call`
and the `Lowering` to the outputs.
"""

import numpy as np
from keras import ops

from keras_eff.graph.affine_terms import affine_terms
from keras_eff.graph.affine_terms import is_scaling
from keras_eff.graph.book import INDEX
from keras_eff.graph.book import bounds_of
from keras_eff.graph.book import kind_of
from keras_eff.graph.book import weight_of
from keras_eff.graph.rewriter import open_composed
from keras_eff.layers import FakeQuant
from keras_eff.layers import TransformedWeights
from keras_eff.lowering.affine_rules import affine
from keras_eff.lowering.arg_extreme import ArgExtreme
from keras_eff.lowering.lowering import clone_in_float32
from keras_eff.lowering.moving import flipped
from keras_eff.lowering.moving import slices
from keras_eff.lowering.resampling import average_pool
from keras_eff.lowering.resampling import nearest_upsampling
from keras_eff.quantization.composed import cancel_flip
from keras_eff.quantization.local_attention import lower_local_attention


def _weighted(call, lowering):
    """The wrapped layer, holding the weights that it computes with."""
    layer, values = _as_computed(call.operation)
    factor = lowering.factor_of(call.tensors[0])
    weight = getattr(layer, weight_of(layer).name)
    is_rounded = lowering.range_of(call.tensors[0]) is not None
    bias = getattr(layer, "bias", None) if is_rounded else None
    for i, variable in enumerate(layer.variables):
        if variable is weight:
            values[i] = values[i] * factor
        elif variable is bias:
            values[i] = _unequal(values[i])
    key = (id(layer), factor)
    return lowering.apply(
        key, lambda: clone_in_float32(layer), values, call.args[0]
    )


def _declared(call, lowering):
    """The same, for a layer that may take more than one tensor."""
    layer, values = _as_computed(call.operation)
    return lowering.apply(
        id(layer),
        lambda: clone_in_float32(layer),
        values,
        *call.args,
        **call.kwargs,
    )


def _as_computed(layer):
    """The wrapped layer, and the values that it computes with."""
    if isinstance(layer, TransformedWeights):
        return layer.layer, layer.transformed_variables()
    return layer, list(layer.variables)


def _unequal(bias):
    """A bias of which not all values are equal.

    The converter gives those that are the scale of the first channel alone.
    """
    bias = np.array(ops.convert_to_numpy(bias), "float32")
    if np.any(bias) and np.ptp(bias) == 0:
        bias[0] = np.nextafter(bias[0], np.float32(np.inf))
    return bias


def _fake_quant(call, lowering):
    layer, tensor = call.operation, call.tensors[0]
    # Two ranges in a row: the converter would drop one of them. Beside a float
    # reader: it would make an integer input of what both read.
    is_rounded = lowering.range_of(tensor) is not None
    if is_rounded or lowering.rounds_apart(layer):
        tensor = lowering.rescaled(tensor)
    rounded = FakeQuant(
        layer.num_bits, fixed_range=layer.range, dtype="float32"
    )
    return lowering.mark(rounded(tensor), layer.range)


def _clip(call, lowering):
    """The rounding that follows clips, at bounds no farther out."""
    reader = call.consumers[0] if len(call.consumers) == 1 else None
    if not isinstance(reader, FakeQuant):
        return lowering.copy(call)
    (low, high), bounds = reader.range, bounds_of(call.operation)
    # Bounds that float32 cannot hold lie a little aside.
    slack = 1e-6 * (high - low)
    is_inside = bounds[0] - slack <= low and high <= bounds[1] + slack
    return call.tensors[0] if is_inside else lowering.copy(call)


def _index(call, lowering):
    """In TensorFlow's own operator: Keras tells -0.0 from 0.0 by its bits."""
    operation, tensor = call.operation, call.tensors[0]
    bounds = lowering.range_of(tensor)
    if bounds is not None:
        # Of its own: beside another reader, the converter keeps it float.
        tensor = lowering.round(lowering.rescaled(tensor), *bounds)
    layer = ArgExtreme(kind_of(operation), operation.axis, operation.keepdims)
    return layer(tensor)


def _affine(call, lowering):
    layer, tensor = call.operation, call.tensors[0]
    if is_scaling(layer):
        return lowering.scale(tensor, float(np.max(affine_terms(layer)[0])))
    return affine(call, lowering)


def _hard_sigmoid(call, lowering):
    return _gate(call.tensors[0], lowering)


def _hard_silu(call, lowering):
    tensor = call.tensors[0]
    return tensor * lowering.round(_gate(tensor, lowering), 0.0, 1.0)


def _gate(tensor, lowering):
    """`relu6(x + 3) / 6`."""
    return lowering.round(ops.relu6(tensor + 3.0), 0.0, 6.0) * (1.0 / 6.0)


def _abs(call, lowering):
    return ops.leaky_relu(call.tensors[0], -1.0)


def _prelu(call, lowering):
    """`max(x, 0) + alpha * min(x, 0)`; a rounding clips each of the two."""
    tensor = call.tensors[0]
    bounds = lowering.range_of(tensor)
    if not bounds[0] < 0.0 < bounds[1]:
        return lowering.copy(call)
    low, high = bounds
    positive = lowering.round(lowering.rescaled(tensor), 0.0, high)
    negative = lowering.round(lowering.rescaled(tensor), low, 0.0)
    alpha = ops.convert_to_numpy(call.operation.alpha)
    ends = (0.0, float(alpha.min()) * low, float(alpha.max()) * low)
    if max(ends) == min(ends):
        return positive
    return positive + lowering.round(negative * alpha, min(ends), max(ends))


def _same_scale(call, lowering):
    tensor = call.tensors[0]
    return _moved(lowering.copy(call), tensor, lowering)


def _split(call, lowering):
    tensor = call.tensors[0]
    return _moved(slices(call.operation, tensor), tensor, lowering)


def _upsampling(call, lowering):
    tensor = call.tensors[0]
    outputs = nearest_upsampling(call.operation, tensor)
    if outputs is None:
        outputs = lowering.copy(call)
    return _moved(outputs, tensor, lowering)


def _moved(outputs, tensor, lowering):
    """Values of a tensor, with its range and its factor."""
    bounds, factor = lowering.range_of(tensor), lowering.factor_of(tensor)
    return lowering.mark(outputs, bounds, factor)


def _flip(call, lowering):
    tensor = call.tensors[0]
    if lowering.range_of(tensor) is None:
        return cancel_flip(call, lowering)
    outputs = flipped(call.operation, tensor)
    if outputs is None:
        outputs = lowering.copy(call)
    return _moved(outputs, tensor, lowering)


def _cast(call, lowering):
    """All floats of the new model are float32."""
    tensor = call.args[0]
    if "float" not in call.operation.dtype:
        return lowering.copy(call)
    return tensor if "float" in tensor.dtype else ops.cast(tensor, "float32")


def _concatenate(call, lowering):
    """The delegate joins at most five tensors at once."""
    reader = call.consumers[0] if len(call.consumers) == 1 else None
    if not isinstance(reader, FakeQuant):
        return lowering.copy(call)
    terms, axis = list(call.args[0]), call.operation.axis
    while len(terms) > 5:
        first = ops.concatenate(terms[:5], axis)
        terms[:5] = [lowering.round(first, *reader.range)]
    return ops.concatenate(terms, axis)


def _only_rounded(rule):
    """A rule for integer tensors alone; the float operation is copied."""

    def apply(call, lowering):
        if lowering.range_of(call.tensors[0]) is None:
            return lowering.copy(call)
        return rule(call, lowering)

    return apply


RULES = {
    **dict.fromkeys(INDEX, _index),
    "abs": _only_rounded(_abs),
    "affine": _only_rounded(_affine),
    "average_pool": _only_rounded(average_pool),
    # Behind a convolution, the converter makes it part of that.
    "batch_norm": _only_rounded(affine),
    "cast": _cast,
    "clip": _clip,
    "composed": open_composed,
    "concatenate": _concatenate,
    "declared": _declared,
    "fake_quant": _fake_quant,
    "flip": _flip,
    "hard_sigmoid": _only_rounded(_hard_sigmoid),
    "hard_silu": _only_rounded(_hard_silu),
    "linear": _only_rounded(_same_scale),
    "local_attention": lower_local_attention,
    "prelu": _only_rounded(_prelu),
    "relu": _clip,
    "reshape": _only_rounded(_same_scale),
    "same_scale": _only_rounded(_same_scale),
    "split": _only_rounded(_split),
    "upsampling": _only_rounded(_upsampling),
    "weighted": _weighted,
}
