import numbers

import keras
import numpy as np

from keras_eff.layers import PruningMask
from keras_eff.layers import TransformedWeights
from keras_eff.layers.sublayers import layers_of
from keras_eff.schedules import ConstantSparsity
from keras_eff.transforms.cloning import clone
from keras_eff.transforms.cloning import with_transforms
from keras_eff.transforms.composed import open_composed
from keras_eff.transforms.graph import check_graph
from keras_eff.transforms.kinds import WEIGHTS
from keras_eff.transforms.kinds import kind_of
from keras_eff.transforms.kinds import unwrapped
from keras_eff.transforms.rewriter import Rewriter
from keras_eff.transforms.selection import operations
from keras_eff.transforms.selection import selector


def prune(
    model,
    schedule=None,
    *,
    pattern="unstructured",
    block_shape=(1, 1),
    skip=None,
) -> keras.Model:
    """Returns a clone of a model whose layers can be pruned.

    The clone computes what the model does, until
    `keras_eff.callbacks.PruningScheduler` prunes it in `fit`. Given a number
    for a schedule, it is pruned at once: the weights of least magnitude go, in
    each layer (other choices: `PruningScheduler.apply`).

    Dense layers, convolutions and embeddings are wrapped in
    `keras_eff.layers.TransformedWeights`, with a `keras_eff.layers.PruningMask`
    as the first step; steps that a layer has already, such as the fake-quant
    of `keras_eff.quantize`, are kept. By default the first convolution and the
    last layer with weights are left dense, in the order of calls: thin as
    they are, they have little to save and much to lose.

    Args:
        model: Built `keras.Sequential` or Functional model, nested or with
            shared layers. It is left as it was.
        schedule: Function of the step that returns the sparsity, such as a
            `keras_eff.schedules.SparsitySchedule`; None for that of the layer,
            if it has one, or the callback; or a float in [0, 1), the sparsity
            to prune to at once.
        pattern: "unstructured", "channel" or "N:M", see
            `keras_eff.layers.PruningMask`.
        block_shape: Pair of positive integers, see
            `keras_eff.layers.PruningMask`.
        skip: What stays dense: the name of a layer, a layer class, a predicate
            on a layer, or a list of them. None for the first convolution and
            the last layer; `()` for nothing.

    Returns:
        A Functional `keras.Model`, not compiled. Layers keep their names,
        weights, and masks, where they had one.

    Raises:
        TypeError: If `model` is not a Keras 3 model.
        ValueError: If `model` is a subclassed model or is not built, an
            argument is out of range, or there is no layer to prune.

    Example:

    >>> model = keras.Sequential(
    ...     [keras.Input((8,)), keras.layers.Dense(4), keras.layers.Dense(2)]
    ... )
    >>> pruned = keras_eff.prune(model, 0.75)
    >>> print(keras_eff.sparsity(pruned))  # doctest: +ELLIPSIS
    weight ... sparsity
    dense... 0.750
    dense... 0.000
    total ... 0.600

    Reference:
        - [Menghani, 2021](https://arxiv.org/abs/2106.08962), section 3.1.1
    """
    check_graph(model, "keras_eff.prune")
    target = schedule if isinstance(schedule, numbers.Real) else None
    if target is not None:
        schedule = ConstantSparsity(target)
    PruningMask(schedule, pattern, block_shape)
    skip = _thin_layers(model).__contains__ if skip is None else skip
    made = []

    def masked(call, rewriter):
        layer = call.operation
        name, axes = WEIGHTS[type(unwrapped(layer)).__name__]
        step = PruningMask(
            schedule or _schedule_of(layer),
            pattern,
            block_shape,
            axes or (-1,),
            weight=name,
        )
        made.append(step)
        return rewriter.apply(
            id(layer),
            lambda: _with_mask(layer, step),
            _state(layer, name),
            *call.args,
            **call.kwargs,
        )

    rules = {"composed": open_composed, "weighted": masked}
    rewriter = Rewriter(rules, selector(model, skip))
    pruned = rewriter.rewrite(model)
    if not made:
        raise ValueError(
            "The model has no layer to prune: give `skip` less to keep. "
            f"Received: model {model.name!r}, skip={skip}"
        )
    if target is not None:
        _prune_now(pruned, made, target)
    return pruned


def _schedule_of(layer):
    """The schedule that a layer has from before, or None."""
    for step in getattr(layer, "transforms", ()):
        if isinstance(step, PruningMask):
            return step.schedule
    return None


def _thin_layers(model):
    """The first convolution and the last layer with weights."""
    weighted = [
        operation
        for operation, _ in operations(model)
        if kind_of(operation) == "weighted"
    ]
    convolutions = [
        x for x in weighted if "Conv" in type(unwrapped(x)).__name__
    ]
    return {*convolutions[:1], *weighted[-1:]}


def _with_mask(layer, step):
    """A clone with the step first in its chain, in place of an older one."""
    others = [
        clone(other)
        for other in getattr(layer, "transforms", ())
        if not isinstance(other, PruningMask)
    ]
    return with_transforms(layer, [step, *others])


def _state(layer, name):
    """The variables for the clone: as they are, and a mask that hides none."""
    chain = getattr(layer, "transforms", ())
    if any(isinstance(step, PruningMask) for step in chain):
        return layer.variables
    mask = np.ones(getattr(unwrapped(layer), name).shape, bool)
    steps = [variable for step in chain for variable in step.variables]
    return [*unwrapped(layer).variables, mask, *steps]


def _prune_now(model, masks, sparsity):
    for layer in layers_of(model, TransformedWeights):
        for step in layer.transforms:
            if any(step is mask for mask in masks):
                variable = layer.variable_of(step)
                weight = keras.ops.convert_to_numpy(variable)
                step.prune(sparsity, np.abs(weight))
                kept = keras.ops.convert_to_numpy(step.mask)
                variable.assign(np.where(kept, weight, 0))
