from keras_eff.layers import FakeQuant
from keras_eff.ops import recurrence

# What the int8 grid of a sigmoid holds.
_DECAYS = (0.0, 255 / 256)


def expand_recurrence(call, rewriter):
    """Writes a recurrence of static length as products and sums.

    All states have one scale, also those on the way: that of the bound, or
    one that follows them. A dynamic length stays a layer.
    """
    layer, tensors = call.operation, call.tensors
    if tensors[1].shape[1] is None:
        return rewriter.copy(call)
    decays, inputs, *state = tensors
    if state:
        inputs = layer.started(decays, inputs, *state)
    bound = layer.bound
    bounds = None if bound is None else (-bound, bound * 127 / 128)
    rounding = recurrence.Rounding(
        decay=_fake_quant(layer, rewriter, "decays", _DECAYS),
        state=_fake_quant(layer, rewriter, "states", bounds),
    )
    return recurrence.scan(decays, inputs, layer.reverse, rounding)


def _fake_quant(layer, rewriter, part, fixed_range):
    name = rewriter.unique(f"{layer.name}_{part}_fake_quant")
    return FakeQuant(fixed_range=fixed_range, name=name)
