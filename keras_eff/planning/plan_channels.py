import math
from collections.abc import Mapping

from keras_eff import arguments
from keras_eff.arguments import wrong_argument
from keras_eff.atomic_write import temporary_folder
from keras_eff.channels import ChannelPlan
from keras_eff.channels import choice
from keras_eff.channels.budget import budget
from keras_eff.channels.budget import least_sparsity
from keras_eff.channels.plan_warnings import warn_of
from keras_eff.channels.planner import Planner
from keras_eff.export.arguments import check_backend
from keras_eff.graph.progress import check_verbose
from keras_eff.graph.walk import check_graph

# For a median latency.
_RUNS = 30


def plan_channels(
    model,
    sparsity=None,
    *,
    saliency="l1",
    scope="layer",
    max_layer_sparsity=0.9,
    multiple_of=1,
    min_channels=1,
    skip=(),
    dataset=None,
    max_parameters=None,
    max_macs=None,
    max_latency_ms=None,
    runner=None,
    verbose="auto",
) -> ChannelPlan:
    """Returns which channels `keras_eff.remove_channels` would remove.

    Channels that can only go together are found in the graph of the model:
    those that are added or multiplied, of depthwise and grouped convolutions,
    normalizations, shared layers and nested models. Whole heads go of
    attention, and units of recurrent layers. What cannot be reasoned about,
    such as layers of your own that `keras_eff.register_layer` was not told of,
    keeps the channels that it reads; the plan tells which and why, and what
    share of the parameters nothing can go of. A constant that a removed channel
    would have left, such as the sigmoid of zero, goes into the next bias, or
    the channel stays.

    Args:
        model: Built `keras.Sequential` or Functional model, nested or with
            shared layers. It is left as it was.
        sparsity: Float in [0, 1), share of the channels that goes; or a dict
            from names of layers to such floats, nothing going of the others,
            with `scope="layer"`. None with a budget; else for the channels
            whose weights are all zero, as `keras_eff.callbacks.ChannelPruning`
            leaves them. A constant that a bias or an offset still makes of
            such a channel goes with it. A warning tells if there is none, or
            if some that `ChannelPruning` silenced are silent no more.
        saliency: What a channel is worth: "l1" or "l2", of the weights that
            make it; "bn_scale", the factors of its batch normalization;
            "taylor", what the loss would change by, which needs `dataset` and
            a compiled model; or a function from a `keras_eff.ChannelGroup` to
            an array of a number for each of its channels.
        scope: "layer", the share of each group of channels; or "global", of
            all of them together. Then "l1" and "l2" are compared as multiples
            of the mean of their group.
        max_layer_sparsity: Float in [0, 1), the most that goes of a group with
            `scope="global"`, or of all for a budget.
        multiple_of: Positive integer; as many channels stay of a group as are
            a multiple of it. Integer kernels like 8. Groups that have no such
            number are logged.
        min_channels: Positive integer, at least so many stay.
        skip: What keeps its channels: the name of a layer with weights, a
            layer class, a predicate on a layer, or a list of them. Those that
            begin in it stay, or, of a normalization, those that pass through.
        dataset: Tuple (x, y) of arrays, or an iterable of such batches, for
            "taylor": some hundred samples.
        max_parameters: Positive integer; in place of `sparsity`, the least of
            which the smaller model has no more weights.
        max_macs: Positive integer, the same for multiply-accumulates of
            weights in one sample. Layers that are not known count none, and
            are logged.
        max_latency_ms: Positive float, the same for the latency of the float
            file, in milliseconds, measured for each try.
        runner: For `max_latency_ms`, as in `keras_eff.latency.measure`.
        verbose: 0, silent; 1, a progress bar; "auto", a progress bar once it
            takes longer than two seconds, on a terminal or in a notebook. For
            budgets.

    Returns:
        A `keras_eff.ChannelPlan`; print it.

    Raises:
        TypeError: If `model` is not a Keras 3 model, or an argument has the
            wrong type.
        ValueError: If `model` is a subclassed model or is not built, an
            argument is out of range, or a budget cannot be met.

    Example:

    >>> model = keras.Sequential(
    ...     [keras.Input((8,)), keras.layers.Dense(4), keras.layers.Dense(2)]
    ... )
    >>> plan = keras_eff.plan_channels(model, 0.5)
    >>> [(group.num_channels, plan.num_kept(group)) for group in plan.groups]
    [(4, 2), (2, 2)]

    Reference:
        - [Li et al., 2017](https://arxiv.org/abs/1608.08710), "l1"
        - [Liu et al., 2017](https://arxiv.org/abs/1708.06519), "bn_scale"
        - [Molchanov et al., 2019](https://arxiv.org/abs/1906.10771), "taylor";
          of batches, where the paper takes samples
    """
    check_graph(model, "keras_eff.remove_channels")
    check_verbose(verbose)
    arguments.read_choice("scope", scope, choice.SCOPES)
    limits = choice.Limits(multiple_of, min_channels, max_layer_sparsity)
    budgets = _budgets(max_parameters, max_macs, max_latency_ms, runner)
    _check_sparsity(sparsity, scope, budgets)
    planner = Planner(model, saliency, scope, limits, skip, dataset)
    if budgets:
        plan = least_sparsity(
            planner.plan, budgets, max_layer_sparsity, verbose
        )
    else:
        plan = planner.plan(sparsity)
    warn_of(plan, planner.groups, sparsity, budgets, multiple_of)
    return plan


def _budgets(max_parameters, max_macs, max_latency_ms, runner):
    """The budgets of which a limit is given."""
    if max_latency_ms is not None:
        check_backend("keras_eff.plan_channels(max_latency_ms=...)")
    costs = {
        "max_parameters": (max_parameters, lambda plan: plan.num_parameters),
        "max_macs": (max_macs, lambda plan: plan.num_macs),
        "max_latency_ms": (
            max_latency_ms,
            lambda plan: _latency_ms(plan.remove(), runner),
        ),
    }
    return [
        budget(name, limit, cost_of)
        for name, (limit, cost_of) in costs.items()
        if limit is not None
    ]


def _check_sparsity(sparsity, scope, budgets):
    if sparsity is not None and budgets:
        raise ValueError(
            "Give either `sparsity`, or a budget: `max_parameters`, `max_macs` "
            f"or `max_latency_ms`. Received: sparsity={sparsity!r}, budgets "
            f"{[budget.name for budget in budgets]}"
        )
    if isinstance(sparsity, Mapping):
        if scope == "global":
            expected = 'a float with scope="global"'
            raise wrong_argument("sparsity", sparsity, expected)
        for name, share in sparsity.items():
            arguments.read_number(f"sparsity[{name!r}]", share, "[0, 1)")
    elif sparsity is not None:
        arguments.read_number("sparsity", sparsity, "[0, 1)")


def _latency_ms(model, runner):
    """The median latency of the float file of a model."""
    # Exporting takes a moment to import, and only this needs it.
    from keras_eff.export.to_tflite import to_tflite
    from keras_eff.latency.measure import measure

    with temporary_folder() as folder:
        path = folder / "model.tflite"
        # The file is measured, not used.
        to_tflite(model, path, tolerance=math.inf, min_agreement=0.0)
        return measure(path, 1, _RUNS, runner).median_ms
