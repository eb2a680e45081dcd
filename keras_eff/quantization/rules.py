"""Where a model that trains for integers rounds: a rule for each kind.

A rule is a function from a `Call` and the `Placement` to the outputs of the
new model. What fuses with what, and which ranges are fixed, is what the
TFLite converter and its int8 kernels do.
"""

from keras_eff.graph import book
from keras_eff.graph.affine_terms import is_scaling
from keras_eff.graph.cloning import with_weight_fake_quant
from keras_eff.quantization.fake_quant_placement import reads_floats
from keras_eff.quantization.local_attention import INTEGERS

# Ranges that TFLite gives the outputs of these functions, whatever the data.
FIXED_RANGES = {
    "softmax": (0.0, 255 / 256),
    "sigmoid": (0.0, 255 / 256),
    "hard_sigmoid": (0.0, 1.0),
    "tanh": (-1.0, 127 / 128),
}

# Functions that an int8 kernel computes, each with a range on both sides.
_ACTIVATIONS = frozenset(FIXED_RANGES) | {
    "abs",
    "gelu",
    "hard_silu",
    "leaky_relu",
    "prelu",
    "silu",
}


def _unknown(call, placement):
    return placement.stay_float(call, placement.reason(call.operation))


def _unless_masked(rule):
    """A rule for layers that compute something else where there is a mask."""

    def apply(call, placement):
        if call.is_masked:
            kind = type(book.unwrapped(call.operation))
            reason = f"{kind.__name__}, masked"
            return placement.stay_float(call, reason)
        return rule(call, placement)

    return apply


def _linear(call, placement):
    state = placement.state(call.tensors[0])
    return placement.mark(placement.copy(call), state)


def _same_scale(call, placement):
    if call.kwargs.get("constant_values"):
        return _unknown(call, placement)
    if placement.reads(call, "float"):
        return placement.mark(placement.copy(call), "float")
    outputs = placement.copy(call.replaced(placement.quantized))
    return placement.mark(outputs, "quantized")


def _tied(call, placement):
    """Inputs and output share one scale: round once, behind it."""

    def joined(tensor):
        waits = placement.state(tensor) == "pending"
        return tensor if waits else placement.quantized(tensor)

    return placement.finish(call, placement.copy(call.replaced(joined)))


def _of_shape(call, placement):
    """What reads the shape of a tensor alone: a constant in a file."""
    return placement.mark(placement.copy(call), "quantized")


def _fake_quant(call, placement):
    outputs = placement.copy(call.replaced(placement.kept_float))
    return placement.mark(outputs, "quantized")


def _keep_float(call, placement):
    return placement.mark(placement.copy(call), "float")


def _batch_norm(call, placement):
    return _follow(call, placement, fused=("clip", "relu", *book.TIED))


def _clip(call, placement):
    """The rounding behind it has a range that lies between the bounds."""
    return _follow(call, placement, fused=())


def _relu(call, placement):
    alone = placement.state(call.tensors[0]) != "pending"
    return _follow(call, placement, fused=() if alone else book.TIED)


def _follow(call, placement, fused):
    """An operation that can be a part of the one before it."""
    state = placement.state(call.tensors[0])
    if state == "float":
        return placement.mark(placement.copy(call), "float")
    if state != "pending":
        call = call.replaced(placement.quantized)
    return placement.finish(call, placement.copy(call), fused)


def _from_integers(call, placement):
    if reads_floats(call):
        return _unknown(call, placement)
    outputs = placement.copy(call)
    is_small = book.kind_of(call.operation) == "from_integers" or all(
        x.dtype in ("bool", "int8") for x in call.tensors
    )
    if "float" not in outputs.dtype:
        return placement.mark(outputs, "quantized")
    return placement.finish(
        call, outputs, fixed_range=INTEGERS if is_small else None
    )


def _requantized(call, placement):
    outputs = placement.copy(call.replaced(placement.quantized))
    if is_scaling(call.operation):
        placement.integer.append(call.operation.name)
        return placement.mark(outputs, "quantized")
    return placement.finish(call, outputs)


def _arithmetic(call, placement):
    outputs = placement.copy(call.replaced(placement.quantized))
    return placement.finish(call, outputs, fused=("clip", "relu", *book.TIED))


def _activation(call, placement):
    outputs = placement.copy(call.replaced(placement.quantized))
    fixed_range = FIXED_RANGES.get(book.kind_of(call.operation))
    return placement.finish(call, outputs, fixed_range=fixed_range)


def _weighted(call, placement):
    layer = call.operation
    call = call.replaced(placement.quantized)
    outputs = placement.apply(
        id(layer),
        lambda: with_weight_fake_quant(layer, placement.width_of(layer)),
        None,
        *call.args,
        **call.kwargs,
    )
    return placement.finish(call, outputs, _fused_into(book.unwrapped(layer)))


def _fused_into(layer):
    """The kinds that one kernel computes along with the layer."""
    if not book.entry_of(layer).fuses:
        return ()
    if book.activation_kind(layer.activation) == "relu":
        return book.TIED
    return ("batch_norm", "clip", "relu", *book.TIED)


def _index(call, placement):
    if placement.reads(call, "float"):
        return _unknown(call, placement)
    placement.integer.append(call.operation.name)
    outputs = placement.copy(call.replaced(placement.quantized))
    return placement.mark(outputs, "quantized")


RULES = {
    **dict.fromkeys(_ACTIVATIONS, _activation),
    **dict.fromkeys(book.INDEX, _index),
    **dict.fromkeys(book.SAME_SCALE, _same_scale),
    **dict.fromkeys(book.TIED, _tied),
    "add": _arithmetic,
    "affine": _unless_masked(_requantized),
    "average_pool": _requantized,
    "batch_norm": _batch_norm,
    "cast": _from_integers,
    "clip": _clip,
    "declared": _weighted,
    "fake_quant": _fake_quant,
    "flip": _same_scale,
    "from_integers": _from_integers,
    "keep_float": _keep_float,
    "linear": _linear,
    "matmul": _requantized,
    "multiply": _arithmetic,
    "of_shape": _of_shape,
    "relu": _relu,
    "requantized": _unless_masked(_requantized),
    "softmax": _unless_masked(_activation),
    "subtract": _arithmetic,
    "unknown": _unknown,
    "weighted": _weighted,
}
