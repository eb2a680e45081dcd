from collections.abc import Mapping

import keras
import numpy as np
from absl import logging

from keras_eff import arguments
from keras_eff.factorization.factor_plan import FactorPlan
from keras_eff.factorization.factor_plan import LayerFactors
from keras_eff.factorization.factor_plan import matrix_of
from keras_eff.factorization.low_rank import kept_energy
from keras_eff.factorization.low_rank import rank_for
from keras_eff.factorization.low_rank import singular_values
from keras_eff.graph import book
from keras_eff.graph import selection
from keras_eff.graph import walk
from keras_eff.graph.register_layer import how_to_register
from keras_eff.graph.rewriter import open_registered
from keras_eff.layers import TransformedWeights


def factorize(model, rank=None, energy=None, *, skip=()) -> keras.Model:
    """Returns a smaller model: large kernels become products of thin ones.

    `kernel = U S V` (singular value decomposition) is cut to its largest
    singular values, and a layer becomes two, with `U sqrt(S)` and `sqrt(S) V`
    for kernels:

    | layer                | becomes                                 |
    |----------------------|-----------------------------------------|
    | `Dense(units)`       | `Dense(rank)`, `Dense(units)`           |
    | `Conv2D(filters, k)` | `Conv2D(rank, k)`, `Conv2D(filters, 1)` |

    and so for `Conv1D`. Strides, padding and dilation go to the first, which
    is named `<name>_factor`; the bias, the activation and the name stay with
    the second. Weights and multiplications fall by the same share. A layer
    stays whole where two would not have fewer weights than the one.

    The model is an ordinary Keras model: fine-tune it with `fit`, then
    `keras_eff.quantize` and `keras_eff.export.to_tflite`. It is
    `keras_eff.plan_factors(model, rank, energy, skip=skip).factorize()`; print
    the plan to see beforehand what becomes of each layer.

    Both layers have the initializer and the regularizer of the kernel; L2 on
    both is, to begin with, twice the sum of the singular values of their
    product. Whole stay layers with a constraint on the kernel, with groups,
    with weights that `keras_eff.prune` or `keras_eff.quantize` have wrapped
    (factorize first), and those inside attention, recurrent and other layers.

    Args:
        model: Built `keras.Sequential` or Functional model, nested or with
            shared layers. It is left as it was.
        rank: Positive integer, the outputs of each first layer; fewer where
            the kernel has a lower rank. Or a dict from names of layers to such
            integers; the others stay whole.
        energy: Float in (0, 1], in place of `rank`: each layer has the least
            rank that keeps this share of its squared singular values. 1.0
            leaves out nothing but rounding.
        skip: What stays whole: the name of a layer, a layer class, a
            predicate on a layer, or a list of them.

    Returns:
        A Functional `keras.Model`, not compiled.

    Raises:
        TypeError: If `model` is not a Keras 3 model.
        ValueError: If `model` is a subclassed model or is not built, not
            exactly one of `rank` and `energy` is given, an argument is out of
            range, there is no layer that could be factorized, or weights are
            not finite.

    Example:

    >>> hidden = keras.layers.Dense(64, activation="relu", name="hidden")
    >>> head = keras.layers.Dense(10, name="head")
    >>> model = keras.Sequential([keras.Input((64,)), hidden, head])
    >>> smaller = keras_eff.factorize(model, rank=8)
    >>> [layer.name for layer in smaller.layers[1:]]
    ['hidden_factor', 'hidden', 'head_factor', 'head']

    Reference:
        - [Denton et al., 2014](https://arxiv.org/abs/1404.0736)
        - [Zhang et al., 2015](https://arxiv.org/abs/1505.06798), section 3;
          of the kernels, where the paper takes the responses to data
    """
    plan = plan_factors(model, rank, energy, skip=skip)
    if plan.unknown:
        advice = how_to_register(plan.unknown)
        logging.warning("factorize: layers of your own stay whole%s", advice)
    return plan.factorize()


def plan_factors(model, rank=None, energy=None, *, skip=()) -> FactorPlan:
    """Returns what `keras_eff.factorize` would make of each layer.

    Args:
        model: See `keras_eff.factorize`.
        rank: See `keras_eff.factorize`.
        energy: See `keras_eff.factorize`.
        skip: See `keras_eff.factorize`.

    Returns:
        A `keras_eff.FactorPlan`; print it.

    Raises:
        What `keras_eff.factorize` raises.

    Example:

    >>> hidden = keras.layers.Dense(64, activation="relu", name="hidden")
    >>> head = keras.layers.Dense(10, name="head")
    >>> model = keras.Sequential([keras.Input((64,)), hidden, head])
    >>> plan = keras_eff.plan_factors(model, rank=16)
    >>> [(row.rank, row.num_weights, row.num_left) for row in plan.layers]
    [(16, 4096, 2048), (None, 640, 640)]
    >>> plan.layers[1].reason
    'no smaller at rank 10'
    """
    walk.check_graph(model, "keras_eff.factorize")
    rank, energy = _read_rank_or_energy(rank, energy)
    is_skipped = selection.selector(model, skip)
    model = open_registered(model, is_skipped)
    reasons = _reasons(model, is_skipped)
    if isinstance(rank, Mapping):
        reasons = _only_named(rank, reasons)
    if all(reasons.values()):
        whole = {layer.name: why for layer, why in reasons.items()}
        raise ValueError(
            "The model must have a dense layer or a convolution that can be "
            f"factorized. Received: model {model.name!r}, in which these stay "
            f"whole: {whole}{how_to_register(_unknown(model))}"
        )
    rows = (_row(*item, rank, energy) for item in reasons.items())
    return FactorPlan(model, tuple(rows), _unknown(model))


def _read_rank_or_energy(rank, energy):
    """The ranks, or the energy, with None for the other."""
    if (rank is None) == (energy is None):
        raise ValueError(
            "Give either `rank` or `energy`. "
            f"Received: rank={rank!r}, energy={energy!r}"
        )
    if energy is not None:
        return None, arguments.read_number("energy", energy, "(0, 1]")
    if not isinstance(rank, Mapping):
        return arguments.read_integer("rank", rank, 1), None
    return {
        name: arguments.read_integer(f"rank[{name!r}]", number, 1)
        for name, number in rank.items()
    }, None


def _reasons(model, is_skipped):
    """Why each layer stays whole, whatever its rank; None if it need not."""
    reasons = {}
    for node, _, around in walk.nested_calls(model):
        layer = node.operation
        if book.entry_of(layer).factorizes:
            # Also where only one of its calls is in a model to skip.
            is_whole = any(map(is_skipped, (*around, layer)))
            found = "skip" if is_whole else _reason(layer)
            reasons[layer] = reasons.get(layer) or found
    return reasons


def _unknown(model):
    """The classes of layers with kernels of which nothing is known."""
    found = (
        book.unknown_class(layer)
        for layer, _ in selection.operations(model)
        if any(map(book.is_kernel, getattr(layer, "weights", ())))
    )
    return tuple(dict.fromkeys(name for name in found if name))


def _reason(layer):
    if isinstance(layer, TransformedWeights):
        return "pruned or quantized"
    if book.kind_of(layer) != "weighted":
        return "channels first, quantized or LoRA"
    if getattr(layer, "groups", 1) > 1:
        return "groups"
    # Of two kernels, neither keeps what was asked of their product.
    return "kernel constraint" if layer.kernel_constraint else None


def _only_named(ranks, reasons):
    able = {layer.name for layer, reason in reasons.items() if not reason}
    unable = {layer.name: reason for layer, reason in reasons.items() if reason}
    for name in ranks:
        if name not in able:
            why = unable.get(name, "no dense layer or convolution of the model")
            raise ValueError(
                "Argument `rank` must name layers that can be factorized. "
                f"Received: rank={ranks!r}, where {name!r} cannot be ({why}); "
                f"those that can are {sorted(able)}"
            )
    return {
        layer: reason if layer.name in ranks else reason or "not in `rank`"
        for layer, reason in reasons.items()
    }


def _row(layer, reason, rank, energy):
    matrix = matrix_of(book.unwrapped(layer))
    shape = matrix.shape
    if reason is None:
        values = _values(layer, matrix)
        if energy is not None:
            found = rank_for(values, energy)
        else:
            asked = rank[layer.name] if isinstance(rank, Mapping) else rank
            found = min(asked, len(values))
        reason = _no_gain(found, shape)
    if reason is not None:
        return LayerFactors(layer, shape, None, 1.0, reason)
    return LayerFactors(layer, shape, found, kept_energy(values, found), None)


def _values(layer, matrix):
    if not np.isfinite(matrix.astype("float64")).all():
        raise ValueError(
            "The weights of the model must be finite. "
            f"Received: layer {layer.name!r} with others"
        )
    return singular_values(matrix)


def _no_gain(rank, shape):
    if rank == 0:
        return "all weights are zero"
    inputs, outputs = shape
    if rank * (inputs + outputs) < inputs * outputs:
        return None
    return f"no smaller at rank {rank}"
