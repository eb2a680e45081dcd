import dataclasses

import keras
from absl import logging

from keras_eff.layers import FakeQuant
from keras_eff.ops.fake_quant import check_num_bits
from keras_eff.transforms.expansion import expand
from keras_eff.transforms.graph import calls
from keras_eff.transforms.graph import check_graph
from keras_eff.transforms.graph import is_graph
from keras_eff.transforms.placement import Placement
from keras_eff.transforms.rules import RULES


@dataclasses.dataclass(frozen=True)
class Coverage:
    """Which operations of a model an int8 file computes with integers.

    Attributes:
        integer: Names of the operations that become integer ones.
        floats: Dict from the names of those that stay float to the reason:
            a class that has no int8 kernel, or "skipped".
    """

    integer: tuple[str, ...]
    floats: dict[str, str]

    def __str__(self):
        total = len(self.integer) + len(self.floats)
        lines = [f"{len(self.integer)} of {total} operations in integers"]
        lines += [f"  float: {n} ({why})" for n, why in self.floats.items()]
        return "\n".join(lines)


def quantize(
    model,
    num_bits=8,
    *,
    activation_bits=8,
    momentum=0.99,
    input_range=None,
    skip=(),
) -> keras.Model:
    """Returns a clone of a model that trains for an integer file.

    The clone rounds its weights and activations to the integers that the file
    will hold, so that `compile` and `fit` teach it to live with them
    (quantization-aware training), and `keras_eff.export.to_tflite` writes just
    what it computes. Without training, `keras_eff.calibrate` sets the ranges
    from samples (post-training quantization).

    Layers keep their names and weights; those with a weight are wrapped in
    `keras_eff.layers.TransformedWeights`, and a `keras_eff.layers.FakeQuant`
    stands wherever the file rounds. `SeparableConv` and unmasked
    `MultiHeadAttention` are taken apart into layers with an int8 kernel;
    activations that no kernel fuses become layers of their own. A layer
    without an int8 kernel stays float, and a warning names it.

    Args:
        model: Built `keras.Sequential` or Functional model, nested or with
            shared layers. It is left as it was.
        num_bits: Integer in [2, 8], width of the weights, in bits. One scale
            per output channel, symmetric.
        activation_bits: Integer in [2, 16], width of the activations, in bits.
            Files are written for 8.
        momentum: Float in [0, 1), see `keras_eff.layers.FakeQuant`.
        input_range: Optional pair of floats `(min, max)`: the range of the
            model's float inputs, where it is known, such as `(0, 255)`. By
            default it follows the data.
        skip: What stays float: a layer name, a layer class, a predicate on a
            layer, or a list of them.

    Returns:
        A Functional `keras.Model`, not compiled.

    Raises:
        TypeError: If `model` is not a Keras 3 model.
        ValueError: If `model` is a subclassed model or is not built, an
            argument is out of range, or `skip` names no layer of the model.

    Example:

    >>> model = keras.Sequential(
    ...     [keras.Input((8,)), keras.layers.Dense(4, activation="relu")]
    ... )
    >>> quantized = keras_eff.quantize(model, num_bits=4)
    >>> [layer.name for layer in quantized.layers][1:]  # doctest: +ELLIPSIS
    ['input_layer..._fake_quant', 'dense...', 'dense..._fake_quant']

    Reference:
        - [Jacob et al., 2018](https://arxiv.org/abs/1712.05877), section 3.
          Batch normalization is not folded in training: the rounding of a
          weight with one scale per channel commutes with the folding.
    """
    check_num_bits("num_bits", num_bits, 2, 8)
    check_num_bits("activation_bits", activation_bits, 2, 16)
    rounding = {"num_bits": activation_bits, "momentum": momentum}
    FakeQuant(**rounding, fixed_range=input_range)
    quantized, placement = _place(model, skip, num_bits, rounding, input_range)
    if placement.floats:
        floats = (f"{n} ({why})" for n, why in placement.floats.items())
        logging.warning("quantize: these stay float: %s", ", ".join(floats))
    return quantized


def coverage(model, skip=()) -> Coverage:
    """Which operations `keras_eff.quantize` makes integer, and which not.

    Args:
        model: Built `keras.Sequential` or Functional model; a quantized one
            too.
        skip: As in `keras_eff.quantize`.

    Returns:
        A `Coverage`, which prints as a summary.

    Example:

    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.ELU()])
    >>> print(keras_eff.coverage(model))
    0 of 1 operations in integers
      float: elu (ELU)
    """
    _, placement = _place(model, skip, 8, {}, None)
    return Coverage(tuple(placement.integer), dict(placement.floats))


def _place(model, skip, num_bits, rounding, input_range):
    check_graph(model, "keras_eff.quantize")
    keeps = _predicate(model, skip)
    placement = Placement(RULES, keeps, num_bits, rounding, input_range)
    return placement.rewrite(expand(model, keeps)), placement


def _predicate(model, skip):
    """Whether an operation is among those that `skip` names."""
    items = skip if isinstance(skip, (list, tuple, set)) else [skip]
    known = set(_names(model))
    for item in items:
        if isinstance(item, str) and item not in known:
            raise ValueError(
                "Argument `skip` names a layer that the model does not have. "
                f"Received: skip={skip!r}; its layers are {sorted(known)}"
            )
        if not (isinstance(item, str) or callable(item)):
            raise TypeError(
                "Argument `skip` must hold layer names, layer classes or "
                f"predicates. Received: skip={skip!r}"
            )
    return lambda operation: any(_matches(operation, i) for i in items)


def _matches(operation, item):
    if isinstance(item, str):
        return operation.name == item
    if isinstance(item, type):
        return isinstance(getattr(operation, "layer", operation), item)
    return bool(item(operation))


def _names(model):
    for node, _ in calls(model):
        yield node.operation.name
        if is_graph(node.operation):
            yield from _names(node.operation)
