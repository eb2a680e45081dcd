"""What a plan leaves undone, warned of once."""

import warnings

from absl import logging

from keras_eff.channels.plan import rows_of
from keras_eff.channels.silent import silenced

_RETURNED = "the model returns them"


def warn_of(plan, planned, sparsity, budgets, multiple_of) -> None:
    """Warns of what was asked for, and is not in a plan."""
    if sparsity is None and not budgets:
        _warn_of_silence(plan)
    elif plan.removed:
        _warn_of_multiples(plan, planned, multiple_of)
    elif sparsity:
        logging.warning(
            "remove_channels: nothing goes with sparsity=%s, multiple_of=%s. "
            "Print the plan to see why.",
            sparsity,
            multiple_of,
        )
    left = [row for row in plan.left if row[2] != _RETURNED]
    if left and (plan.removed or sparsity):
        logging.warning(
            "remove_channels: nothing can go of layers with %.1f%% of the "
            "parameters: %s",
            100 * sum(share for _, share, _ in left),
            "; ".join(rows_of(left)),
        )
    if plan.without_macs and any(b.name == "max_macs" for b in budgets):
        logging.warning(
            "remove_channels: `max_macs` does not count the products of %s",
            ", ".join(plan.without_macs),
        )


def _warn_of_multiples(plan, planned, multiple_of):
    missed = [
        f"{group.name} ({plan.num_kept(group)})"
        for group in planned
        if plan.num_kept(group) % multiple_of
    ]
    if missed:
        logging.warning(
            "remove_channels: what stays is no multiple of multiple_of=%s in "
            "%s, which have no such number or a layer that would be empty",
            multiple_of,
            ", ".join(missed),
        )


def _warn_of_silence(plan):
    before = silenced(plan.graph)
    back = before - plan.removed
    if back:
        names = {
            name
            for group in plan.groups
            if not back.isdisjoint(group.roots.tolist())
            for name in group.layers
        }
        warnings.warn(
            f"{len(back)} of {len(before)} channels that `ChannelPruning` had "
            "silenced are not silent any more, and stay: other weights were "
            "loaded or restored since. Train on with `ChannelPruning`, or give "
            f"`sparsity`. Received: layers {sorted(names)}",
            stacklevel=4,
        )
    elif not plan.removed:
        warnings.warn(
            "No channel of the model is silent, so that none is removed: train "
            "with `keras_eff.callbacks.ChannelPruning`, or give `sparsity` or "
            f"a budget. Received: sparsity=None, model {plan.model.name!r}",
            stacklevel=4,
        )
