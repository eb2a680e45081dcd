import math

from keras_eff.transforms.cloning import with_weight_fake_quant
from keras_eff.transforms.expansion import expand
from keras_eff.transforms.kinds import WEIGHTS
from keras_eff.transforms.kinds import kind_of
from keras_eff.transforms.kinds import unwrapped
from keras_eff.transforms.rewriter import Rewriter

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

    Args:
        model: Sequential or Functional model without `FakeQuant` layers; it is
            left as it was.
        num_bits: Integer in [2, 8], width of the weights, in bits; one scale
            per output channel, one for the table of an embedding.
        smallest: Integer, the number of elements below which a weight stays.

    Raises:
        ValueError: If no weight is that large.
    """
    count = 0

    def rounded(call, rewriter):
        nonlocal count
        layer = call.operation
        name, _ = WEIGHTS[type(unwrapped(layer)).__name__]
        if math.prod(getattr(unwrapped(layer), name).shape) < smallest:
            return rewriter.copy(call)
        count += 1
        return rewriter.apply(
            id(layer),
            lambda: with_weight_fake_quant(layer, num_bits),
            layer.variables,
            *call.args,
            **call.kwargs,
        )

    simple, _ = expand(model, lambda op: kind_of(op) not in _TAKEN_APART)
    clone = Rewriter({"weighted": rounded}).rewrite(simple)
    if not count:
        raise ValueError(
            f"Model {model.name!r} has no convolution, dense layer or "
            f"embedding with {smallest} weights or more to round: use another "
            "format"
        )
    return clone
