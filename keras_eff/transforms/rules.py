"""Where a model that trains for integers rounds: a rule for each kind.

A rule is a function from a `Call` and the `Placement` to the outputs of the
new model. What fuses with what, and which ranges are fixed, is what the
TFLite converter and its int8 kernels do.
"""

from keras_eff.transforms.cloning import with_weight_fake_quant
from keras_eff.transforms.kinds import ACTIVATIONS
from keras_eff.transforms.kinds import FIXED_RANGES
from keras_eff.transforms.kinds import activation_name
from keras_eff.transforms.kinds import kind_of


def _unknown(call, placement):
    return placement.stay_float(call, type(call.operation).__name__)


def _linear(call, placement):
    state = placement.state(call.tensors[0])
    return placement.mark(placement.copy(call), state)


def _same_scale(call, placement):
    if call.kwargs.get("constant_values"):
        return _unknown(call, placement)
    if any(placement.state(x) == "float" for x in call.tensors):
        return placement.mark(placement.copy(call), "float")
    outputs = placement.copy(call.replaced(placement.quantized))
    return placement.mark(outputs, "quantized")


def _tied(call, placement):
    """Inputs and output share one scale: round once, behind it."""

    def joined(tensor):
        waits = placement.state(tensor) == "pending"
        return tensor if waits else placement.quantized(tensor)

    return placement.finish(call, placement.copy(call.replaced(joined)))


def _fake_quant(call, placement):
    return placement.mark(placement.copy(call), "quantized")


def _keep_float(call, placement):
    return placement.mark(call.tensors[0], "float")


def _batch_norm(call, placement):
    return _follow(call, placement, fused=("relu", "tied"))


def _relu(call, placement):
    alone = placement.state(call.tensors[0]) != "pending"
    return _follow(call, placement, fused=() if alone else ("tied",))


def _follow(call, placement, fused):
    """An operation that can be a part of the one before it."""
    state = placement.state(call.tensors[0])
    if state == "float":
        return placement.mark(placement.copy(call), "float")
    if state != "pending":
        call = call.replaced(placement.quantized)
    return placement.finish(call, placement.copy(call), fused)


def _requantized(call, placement):
    outputs = placement.copy(call.replaced(placement.quantized))
    return placement.finish(call, outputs)


def _arithmetic(call, placement):
    outputs = placement.copy(call.replaced(placement.quantized))
    return placement.finish(call, outputs, fused=("relu", "tied"))


def _activation(call, placement):
    outputs = placement.copy(call.replaced(placement.quantized))
    fixed_range = FIXED_RANGES.get(kind_of(call.operation))
    return placement.finish(call, outputs, fixed_range=fixed_range)


def _weighted(call, placement):
    layer = call.operation
    outputs = placement.copy(
        call.replaced(placement.quantized),
        lambda: with_weight_fake_quant(layer, placement.num_bits),
    )
    rectifies = activation_name(getattr(layer, "activation", None)) == "relu"
    fused = ("tied",) if rectifies else ("batch_norm", "relu", "tied")
    return placement.finish(call, outputs, fused)


RULES = {
    **dict.fromkeys(ACTIVATIONS, _activation),
    "add": _arithmetic,
    "batch_norm": _batch_norm,
    "fake_quant": _fake_quant,
    "keep_float": _keep_float,
    "linear": _linear,
    "matmul": _requantized,
    "multiply": _arithmetic,
    "relu": _relu,
    "requantized": _requantized,
    "same_scale": _same_scale,
    "subtract": _arithmetic,
    "tied": _tied,
    "unknown": _unknown,
    "weighted": _weighted,
}
