"""What a model's pruning will come to, checked before it trains."""

import math
import warnings

import numpy as np

from keras_eff.callbacks import mask_update
from keras_eff.callbacks.prunable import prunables

# A step after any training.
_FAR = 2**40


def pools(model, schedule) -> dict:
    """The prunable weights of a model by the schedule that they follow.

    Args:
        model: `keras.Model`.
        schedule: The schedule of layers without one, or None.

    Raises:
        ValueError: If nothing can be pruned, or a layer has no schedule.
    """
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
    masks = [p.mask for weights in pools.values() for p in weights]
    sizes = [math.prod(mask.mask.shape) for mask in masks]
    hidden = sum(m.sparsity * n for m, n in zip(masks, sizes, strict=True))
    return hidden / sum(sizes)


def is_behind(pools, step) -> bool:
    """Whether masks hide less than their schedules ask for at a step.

    By more than the unit that rounding accounts for, in each mask that has
    been pruned before.
    """
    for schedule, weights in pools.items():
        sizes = [p.mask.unit_sizes for p in weights]
        asked = float(schedule(step)) * sum(s.sum() for s in sizes)
        hidden = sum(
            p.mask.sparsity * s.sum()
            for p, s in zip(weights, sizes, strict=True)
        )
        slack = sum(s.max() for s in sizes) if hidden else 0
        if asked - hidden > slack:
            return True
    return False


def check_end(pools, scope, frequency, end) -> None:
    """Warns of schedules that the last update leaves unfinished.

    Args:
        pools: See `pools`.
        scope: See `PruningScheduler`, as `frequency`.
        end: The last step of the training, or None where it is not known.

    Raises:
        ValueError: If the pattern of a layer cannot reach its sparsity.
    """
    for schedule, weights in pools.items():
        last = _FAR if end is None else end // frequency * frequency
        reached, final = float(schedule(last)), float(schedule(_FAR))
        masks = [p.mask for p in weights]
        mask_update.budgets(masks, scope, reached)
        if reached < final - 1e-6:
            warnings.warn(
                f"{schedule} cannot finish: training ends at step {end} and "
                f"its last update, at step {last}, prunes a share of "
                f"{reached:.4g}, not {final:.4g}",
                stacklevel=2,
            )


def check_regrowth(pools, regrow, fraction, end) -> None:
    """Raises a ValueError if weights cannot be exchanged as asked."""
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
    if end is None and not callable(fraction):
        raise ValueError(
            "The number of steps is not known: give `regrow_fraction` as a "
            "function of the step, or `steps_per_epoch` to `fit`. "
            f"Received: regrow_fraction={fraction}"
        )


def half_cosine(fraction, end):
    """A function of the step: from `fraction` at 0 to 0 at `end`."""

    def at(step):
        share = min(step / max(end, 1), 1.0)
        return fraction * (1.0 + np.cos(np.pi * share)) / 2.0

    return at
