"""Which weights the masks of one pool keep: those that share a schedule."""

import math

from keras_eff.layers.pruning_mask import check_reach
from keras_eff.ops import pruning

DISTRIBUTIONS = ("uniform", "global", "erk")


def size(masks) -> int:
    """The number of weights of some masks."""
    return sum(math.prod(mask.mask.shape) for mask in masks)


def hidden(masks) -> float:
    """The share of their weights that some masks hide."""
    return sum(m.sparsity * size([m]) for m in masks) / size(masks)


def budgets(masks, distribution, sparsity) -> list[tuple[list, float]]:
    """Which masks share a budget, and the sparsity that it comes to."""
    shares = [sparsity] * len(masks)
    if distribution == "erk":
        shapes = [tuple(mask.mask.shape) for mask in masks]
        shares = pruning.erk_sparsities(shapes, sparsity)
    for mask, share in zip(masks, shares, strict=True):
        check_reach(mask, share)
    if distribution == "global":
        return [(masks, sparsity)]
    return [([mask], share) for mask, share in zip(masks, shares, strict=True)]


def update(masks, saliencies, sparsity, criteria, fraction) -> None:
    """Prunes some masks to one budget, and exchanges a fraction of the rest.

    `saliencies`: dict from each mask to a NumPy array, one entry for each
    weight. `sparsity`: float in [0, 1). `criteria`: dict from each mask to
    another, or empty: what is taken back in place of a `fraction` of the units
    kept, those of least saliency. `fraction`: float in [0, 1).
    """
    scores = [mask.scores(saliencies[mask]) for mask in masks]
    kept = pruning.keep(scores, [mask.unit_sizes for mask in masks], sparsity)
    if criteria:
        promises = [
            pruning.block_means(criteria[mask], mask.block) for mask in masks
        ]
        kept = pruning.exchange(kept, scores, promises, fraction)
    for mask, units in zip(masks, kept, strict=True):
        mask.set_units(units)
