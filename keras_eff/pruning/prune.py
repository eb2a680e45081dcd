import keras
import numpy as np

from keras_eff.arguments import read_number
from keras_eff.graph.book import kind_of
from keras_eff.graph.cloning import chain_of
from keras_eff.graph.layer_weights import layer_weights
from keras_eff.graph.rewriter import Rewriter
from keras_eff.graph.rewriter import open_composed
from keras_eff.graph.rewriter import open_registered
from keras_eff.graph.selection import operations
from keras_eff.graph.selection import selector
from keras_eff.graph.walk import check_graph
from keras_eff.layers import PruningMask
from keras_eff.layers import TransformedWeights
from keras_eff.layers.cloning import copy_state
from keras_eff.layers.cloning import layers_of
from keras_eff.pruning.left_dense import left_dense
from keras_eff.pruning.left_dense import tell
from keras_eff.schedules import ConstantSparsity


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

    Layers with a kernel, a recurrent kernel or embeddings are wrapped in
    `keras_eff.layers.TransformedWeights`, with a `keras_eff.layers.PruningMask`
    for each such weight as the first step: dense layers, convolutions of all
    kinds, recurrent layers, attention, those inside `Bidirectional` and
    `TimeDistributed`, and those inside layers of your own. Steps that a layer
    has already, such as the fake-quant of `keras_eff.quantize`, are kept. By
    default the first convolution and the last layer with weights are left
    dense, in the order of calls: thin as they are, they have little to save
    and much to lose. A warning names what cannot be pruned, with the reason
    and the share of the weights; what the default leaves dense is logged.

    `keras_eff.strip` is the way back, to plain layers of Keras.

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
    weight ... sparsity  MACs  dense because
    dense... 0.750    32
    dense... 0.000     8  no mask
    total ... 0.600    40
    MACs with a zero: 0.600

    Reference:
        - [Menghani, 2021](https://arxiv.org/abs/2106.08962), section 3.1.1
    """
    check_graph(model, "keras_eff.prune")
    target = None
    if schedule is not None and not callable(schedule):
        also = "or a function of the step"
        target = read_number("schedule", schedule, "[0, 1)", also=also)
        schedule = ConstantSparsity(target)
    PruningMask(schedule, pattern, block_shape)
    if skip is None:
        model = open_registered(model)
    thin = _thin_layers(model) if skip is None else {}
    masker = _Masker(
        (schedule, pattern, block_shape),
        thin.__contains__ if skip is None else selector(model, skip),
    )
    pruned = masker.rewrite(model)
    if not masker.made:
        raise _nothing_to_prune(model, skip, thin)
    if target is not None:
        _prune_now(pruned, masker.made, target)
    chosen = {x.name: thin.get(x, "skipped") for x in masker.skipped}
    tell(left_dense(pruned, chosen, masker.unfit), skip is None)
    return pruned


class _Masker(Rewriter):
    """Puts a mask before each weight that can be pruned.

    Attributes:
        made: List of the masks.
        skipped: The operations that `keeps` chose.
        unfit: Dict from names of layers to why a pattern does not fit them.
    """

    def __init__(self, arguments, keeps):
        super().__init__({"composed": open_composed}, self._keeps)
        self._chosen = keeps
        self._schedule, self._pattern, self._block_shape = arguments
        self.made = []
        self.skipped = []
        self.unfit = {}

    def _keeps(self, operation):
        is_chosen = bool(self._chosen(operation))
        if is_chosen:
            self.skipped.append(operation)
        return is_chosen

    def rule(self, call):
        layer = call.operation
        is_open = kind_of(layer) in ("model", "composed")
        weights = [] if is_open else self._fitting(layer)
        if not weights or self.keeps(layer):
            return super().rule(call)
        self.begin(call)
        return self.replace(call, lambda: self._masked(layer, weights), None)

    def _fitting(self, layer):
        """The weights of a layer that the pattern fits."""
        if not isinstance(layer, keras.layers.Layer):
            return []
        weights = layer_weights(layer)
        is_free = self._pattern in ("unstructured", "channel")
        if is_free and tuple(self._block_shape) == (1, 1):
            return weights
        fitting = [weight for weight in weights if weight.is_matrix]
        if len(fitting) < len(weights):
            self.unfit[layer.name] = (
                "a kernel of several axes of outputs, which blocks and N:M "
                "patterns do not fit"
            )
        return fitting

    def _masked(self, layer, weights):
        """A clone with a mask for each weight, in place of older ones."""
        masks = [
            PruningMask(
                self._schedule or _schedule_of(layer),
                self._pattern,
                self._block_shape,
                weight.channel_axes,
                weight_name=weight.path,
            )
            for weight in weights
        ]
        self.made += masks
        masked = chain_of(layer).with_step(*masks)
        older = {step.weight_name: step for step in _masks_of(layer)}
        for mask in masks:
            if mask.weight_name in older:
                copy_state(older[mask.weight_name], mask)
        return masked


def _masks_of(layer):
    steps = getattr(layer, "transforms", ())
    return [step for step in steps if isinstance(step, PruningMask)]


def _schedule_of(layer):
    """The schedule that a layer has from before, or None."""
    return next((mask.schedule for mask in _masks_of(layer)), None)


def _thin_layers(model):
    """The first convolution and the last layer with weights, and as what."""
    weighted = [
        x
        for x, _ in operations(model)
        if isinstance(x, keras.layers.Layer)
        and kind_of(x) not in ("model", "composed")
        and layer_weights(x)
    ]
    convolutions = [x for x in weighted if hasattr(x, "kernel_size")]
    first = dict.fromkeys(convolutions[:1], "first convolution, by default")
    last = dict.fromkeys(weighted[-1:], "last layer with weights, by default")
    return first | last


def _nothing_to_prune(model, skip, thin):
    if skip is None and thin:
        names = [layer.name for layer in thin]
        return ValueError(
            "The model has no layer to prune but those that stay dense by "
            "default, the first convolution and the last layer with weights: "
            "give `skip=()` to prune them too. "
            f"Received: model {model.name!r} with layers {names}"
        )
    if skip is None or skip == ():
        return ValueError(
            "The model has no layer with a weight that can be pruned: a "
            "kernel, a recurrent kernel or embeddings. "
            f"Received: model {model.name!r}"
        )
    return ValueError(
        "The model has no layer to prune: give `skip` less to keep. "
        f"Received: model {model.name!r}, skip={_named(skip)}"
    )


def _named(skip):
    """`skip` as a caller wrote it: functions and classes by their names."""
    if isinstance(skip, (list, tuple, set)):
        return [_named(item) for item in skip]
    return getattr(skip, "__name__", skip)


def _prune_now(model, masks, sparsity):
    for layer in layers_of(model, TransformedWeights):
        for step in layer.transforms:
            if any(step is mask for mask in masks):
                variable = layer.variable_of(step)
                weight = keras.ops.convert_to_numpy(variable)
                # What was pruned before stays pruned.
                step.prune(max(sparsity, step.sparsity), np.abs(weight))
                variable.assign(step.stored(weight))
