"""What a model's pruning will come to, checked before it trains."""

import warnings

import numpy as np

from keras_eff.pruning import mask_update
from keras_eff.pruning.mask_update import hidden
from keras_eff.pruning.mask_update import size
from keras_eff.pruning.prunable import prunables

# The way out of a schedule that a training leaves unfinished.
TRAIN_LONGER = (
    "give a smaller `interval`, let the schedule end earlier, or train longer"
)
# A step after any training.
_FAR = 2**40
# The share of the training in which weights are exchanged (RigL).
_REGROWTH_SHARE = 0.75


def pools(model, schedule) -> dict:
    """The prunable weights of a model by the schedule that they follow."""
    found = {}
    for prunable in prunables(model):
        chosen = prunable.mask.schedule or schedule
        if chosen is None:
            raise ValueError(
                f"Layer {prunable.layer.name!r} has no schedule: give it one, "
                "or give one to `PruningScheduler`. Received: schedule=None"
            )
        found.setdefault(chosen, []).append(prunable)
    if not found:
        raise ValueError(
            "The model has no prunable layer: make it of layers such as "
            "`PrunableDense`, or call `keras_eff.prune`. "
            f"Received: model {model.name!r}"
        )
    return found


def sparsity(pools) -> float:
    """The share of all prunable weights that the masks hide."""
    return hidden([p.mask for weights in pools.values() for p in weights])


def is_behind(pools, step) -> bool:
    """Whether masks hide less than their schedules ask for at a step.

    By more than the unit that rounding accounts for, in each mask that has
    been pruned before.
    """
    return any(
        _is_less(weights, float(schedule(step)))
        for schedule, weights in pools.items()
    )


def _is_less(weights, asked):
    """Whether masks hide less than a share, by more than rounding does."""
    masks = [p.mask for p in weights]
    found = hidden(masks)
    slack = sum(int(mask.unit_sizes.max()) for mask in masks) if found else 0
    return (asked - found) * size(masks) > slack


def check_end(pools, distribution, interval, end) -> dict:
    """Warns of schedules that the last update leaves unfinished.

    Returns: Dict from each schedule to what it comes to at the end.
    """
    asked = {}
    for schedule, weights in pools.items():
        last = _FAR if end is None else end // interval * interval
        reached, final = float(schedule(last)), float(schedule(_FAR))
        masks = [p.mask for p in weights]
        mask_update.budgets(masks, distribution, reached)
        asked[schedule] = reached
        if reached < final - 1e-6 and _is_less(weights, final):
            warnings.warn(
                f"{schedule} cannot finish: training ends at step {end} and "
                f"its last update, at step {last} with interval={interval}, "
                f"prunes a share of {reached:.4g}, not {final:.4g}: "
                f"{TRAIN_LONGER}",
                stacklevel=2,
            )
    return asked


def check_reached(pools, asked, step) -> None:
    """Warns of schedules that a training has left unfinished."""
    for schedule, weights in pools.items():
        if _is_less(weights, asked[schedule]):
            found = hidden([p.mask for p in weights])
            warnings.warn(
                f"{schedule} did not finish: it asks for a sparsity of "
                f"{asked[schedule]:.4g}, and the model has {found:.4g} after "
                f"step {step}, where training ended: it was stopped early, "
                "ended before the schedule or before a last update, or "
                f"restored earlier weights. If so, {TRAIN_LONGER}",
                stacklevel=2,
            )


def check_gradients(model, are_dense) -> None:
    """Raises a ValueError if masks give another gradient than asked for."""
    for prunable in prunables(model):
        if prunable.mask.has_dense_gradient != are_dense:
            raise ValueError(
                'Argument `regrow="momentum"` needs a model that has its '
                "layers before it trains: call `model.build(input_shape)`. "
                f"Received: layer {prunable.layer.name!r}, made in `fit`"
            )


def regrowth(pools, regrow, fraction, end):
    """The share of the weights to exchange, as a function of the step."""
    fixed = [
        p.layer.name
        for weights in pools.values()
        for p in weights
        if ":" in p.mask.pattern
    ]
    if fixed:
        raise ValueError(
            "Weights of an N:M pattern cannot grow back where they like. "
            f"Received: regrow={regrow!r} with layers {fixed}"
        )
    if callable(fraction):
        return fraction
    if end is None:
        raise ValueError(
            "The number of steps is not known: give `regrow_fraction` as a "
            "function of the step, or `steps_per_epoch` to `fit`. "
            f"Received: regrow_fraction={fraction}"
        )
    return _half_cosine(fraction, _REGROWTH_SHARE * end)


def _half_cosine(fraction, end):
    """A function of the step: from `fraction` at 0 to 0 at `end`."""

    def at(step):
        share = min(step / max(end, 1), 1.0)
        return fraction * (1.0 + np.cos(np.pi * share)) / 2.0

    return at
