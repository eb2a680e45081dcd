import warnings

from keras_eff.pruning import mask_update
from keras_eff.pruning.mask_update import hidden
from keras_eff.pruning.mask_update import size


class MaskFloors:
    """Keeps pruned what was pruned before: the least that masks hide.

    A training may begin with masks that hide more than its schedules ask for:
    the optimizer is fresh, the schedule another, the weights are loaded. As
    long as a schedule asks for less, these masks stay.

    `asked`: dict from each schedule to what it comes to at the end; a warning
    tells of those that ask for less than there is.
    """

    def __init__(self, pools, distribution, step, asked):
        self._floors = {}
        for schedule, weights in pools.items():
            masks = [p.mask for p in weights]
            share = float(schedule(step))
            budgets = mask_update.budgets(masks, distribution, share)
            for group, at_step in budgets:
                if _hides_more(group, at_step):
                    self._raise(group)
            held = [mask for mask in masks if mask in self._floors]
            if held and _hides_more(held, asked[schedule]):
                _tell(schedule, asked[schedule], held)
        self.note([p.mask for weights in pools.values() for p in weights])

    def note(self, masks):
        """Remembers what the masks hide after an update."""
        self._known = {mask: mask.sparsity for mask in masks}

    def raised(self, group, share):
        """The share to prune of masks with one budget: that, or their floor."""
        # Weights loaded in the middle of a training may bring other masks.
        if any(mask.sparsity > self._known[mask] for mask in group):
            self._raise(group)
        held = [mask for mask in group if mask in self._floors]
        floor = sum(self._floors[mask] * size([mask]) for mask in held)
        return max(share, floor / size(group))

    def _raise(self, group):
        self._floors.update({mask: mask.sparsity for mask in group})


def _hides_more(masks, share):
    """Whether masks hide more than a share, by more than rounding does."""
    slack = sum(int(mask.unit_sizes.max()) for mask in masks)
    return (hidden(masks) - share) * size(masks) > slack


def _tell(schedule, asked, masks):
    warnings.warn(
        f"{schedule} asks for a sparsity of {asked:.4g} where the model has "
        f"{hidden(masks):.4g}: what is pruned stays pruned. To give weights "
        "back, call `PruningScheduler(schedule).apply(model)` before `fit`",
        stacklevel=2,
    )
