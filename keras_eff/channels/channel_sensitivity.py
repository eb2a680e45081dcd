import warnings

from keras_eff.arguments import read_choice
from keras_eff.arguments import read_number
from keras_eff.channels.choice import Limits
from keras_eff.channels.planner import Planner
from keras_eff.channels.sensitivity_report import ChannelSensitivity
from keras_eff.channels.sensitivity_report import Removal
from keras_eff.graph.progress import check_verbose
from keras_eff.graph.progress import progress
from keras_eff.graph.walk import check_graph

_SPARSITIES = (0.25, 0.5, 0.75)


def channel_sensitivity(
    model,
    dataset,
    sparsities=_SPARSITIES,
    *,
    metric="accuracy",
    mode="max",
    saliency="l1",
    batch_size=32,
    verbose="auto",
) -> ChannelSensitivity:
    """What a model loses when channels of one group alone are removed.

    Each group of channels (see `keras_eff.plan_channels`) is pruned by itself,
    to each sparsity, and the model evaluated; nothing is trained, and the model
    is left as it was. Choose with a validation set, never the test set:

    ```python
    sensitivity = keras_eff.channel_sensitivity(model, (x_val, y_val))
    shares = sensitivity.sparsities(max_drop=0.01)
    smaller = keras_eff.remove_channels(model, shares)
    ```

    Args:
        model: Built and compiled `keras.Sequential` or Functional model.
        dataset: Tuple (x, y) or (x, y, sample_weight) of arrays, or what else
            `model.evaluate` takes.
        sparsities: Float in (0, 1), or several, the shares to try.
        metric: String, what of `model.evaluate` to report.
        mode: "max" or "min", whether more or less of it is better.
        saliency: See `keras_eff.plan_channels`; "taylor" uses `dataset`.
        batch_size: Positive integer, samples per step, for arrays.
        verbose: 0, silent; 1, a progress bar; "auto", a progress bar once it
            takes longer than two seconds, on a terminal or in a notebook.

    Returns:
        A `keras_eff.ChannelSensitivity`, which prints as a table, and which
        `plot` draws.

    Raises:
        TypeError: If `model` is not a Keras 3 model.
        ValueError: If `model` is a subclassed model, or is not built or
            compiled, it has no such metric, or an argument is out of range.

    Example:

    >>> model = keras.Sequential(
    ...     [keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(2)]
    ... )
    >>> model.compile(loss="mse", metrics=["mae"])
    >>> x, y = np.ones((6, 4)), np.zeros((6, 2))
    >>> found = keras_eff.channel_sensitivity(
    ...     model, (x, y), 0.5, metric="mae", mode="min"
    ... )
    >>> [(row.sparsity, row.num_removed) for row in found.removals]
    [(0.5, 4)]

    Reference:
        - [Li et al., 2017](https://arxiv.org/abs/1608.08710), section 3.2
    """
    check_verbose(verbose)
    sparsities = _check_sparsities(sparsities)
    read_choice("mode", mode, ("max", "min"))
    check_graph(model, "keras_eff.channel_sensitivity")
    planner = Planner(model, saliency, "layer", Limits(), (), dataset)

    def evaluated():
        return _evaluate(model, dataset, metric, batch_size)

    baseline = evaluated()
    steps = max(len(planner.groups) * len(sparsities), 1)
    advance = progress(steps, verbose)
    removals = []
    for group in planner.groups:
        for share in sparsities:
            plan = planner.plan({group.name: share})
            count = group.num_channels - plan.num_kept(group)
            with plan.masked():
                value = evaluated() if count else baseline
            removals.append(Removal(group.name, share, count, value))
            advance()
    return ChannelSensitivity(metric, mode, baseline, tuple(removals))


def sensitivity(*args, **kwargs) -> ChannelSensitivity:
    """The old name of `keras_eff.channel_sensitivity`."""
    warnings.warn(
        "`keras_eff.sensitivity` is deprecated, and goes in version 0.3: call "
        "`keras_eff.channel_sensitivity`, which is the same",
        DeprecationWarning,
        stacklevel=2,
    )
    return channel_sensitivity(*args, **kwargs)


def _check_sparsities(sparsities):
    several = isinstance(sparsities, (list, tuple))
    values = sparsities if several else [sparsities]
    return sorted({read_number("sparsities", x, "(0, 1)") for x in values})


def _evaluate(model, dataset, metric, batch_size):
    if not getattr(model, "compiled", False):
        raise ValueError(
            "`keras_eff.channel_sensitivity` needs a compiled model: call "
            f"`model.compile` first. Received: model {model.name!r}"
        )
    if isinstance(dataset, tuple):
        found = model.evaluate(
            *dataset[:2],
            batch_size,
            verbose=0,
            sample_weight=dataset[2] if len(dataset) > 2 else None,
            return_dict=True,
        )
    else:
        found = model.evaluate(dataset, verbose=0, return_dict=True)
    if metric not in found:
        raise ValueError(
            "Argument `metric` must be a value that `model.evaluate` "
            f"reports. Received: metric={metric!r}, with {sorted(found)} "
            "reported"
        )
    return float(found[metric])
