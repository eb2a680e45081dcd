"""Which channels go, for a sparsity."""

import dataclasses
import math

import numpy as np

from keras_eff.arguments import read_integer
from keras_eff.arguments import read_number
from keras_eff.channels.groups import ChannelGroup

SCOPES = ("layer", "global")


@dataclasses.dataclass(frozen=True)
class Limits:
    """What must be left of a group.

    Attributes:
        multiple_of: Positive integer, the number left is a multiple of it.
        min_channels: Positive integer, at least so many are left.
        max_layer_sparsity: Float in [0, 1), share of a group that may go of
            what is chosen among all groups.
    """

    multiple_of: int = 1
    min_channels: int = 1
    max_layer_sparsity: float = 0.9

    def __post_init__(self):
        for name in ("multiple_of", "min_channels"):
            read_integer(name, getattr(self, name), 1)
        read_number("max_layer_sparsity", self.max_layer_sparsity, "[0, 1)")

    def count(self, group: ChannelGroup, share: float) -> int:
        """How many go of a group for a share that is asked for."""
        size = group.num_channels
        # Not one less for an error of rounding.
        removed = min(math.floor(share * size + 1e-6), len(group.roots))
        left = max(size - removed, self.min_channels)
        left = -(-left // self.multiple_of) * self.multiple_of
        return max(size - left, 0)


def by_layer(groups, scores, shares, limits: Limits) -> set:
    """The least of each group, by the share that goes of it."""
    counts = [
        # What is worth less than anything goes in any case.
        max(limits.count(group, share), np.isneginf(of_group).sum())
        for group, of_group, share in zip(groups, scores, shares, strict=True)
    ]
    return _least(groups, scores, counts, limits.multiple_of)


def globally(groups, scores, share: float, limits: Limits) -> set:
    """The least of all groups together, as far as `limits` allow."""
    scores = list(scores)
    everything = np.concatenate([*scores, []])
    total = sum(group.num_channels for group in groups)
    wanted = min(math.floor(share * total + 1e-6), len(everything))
    wanted = max(wanted, np.isneginf(everything).sum())
    if not wanted:
        return set()
    owners = np.repeat(range(len(groups)), list(map(len, scores)))
    least = owners[np.argsort(everything, kind="stable")[:wanted]]
    shares = [
        min(count / group.num_channels, limits.max_layer_sparsity)
        for group, count in zip(
            groups, np.bincount(least, minlength=len(groups)), strict=True
        )
    ]
    return by_layer(groups, scores, shares, limits)


def empty(groups, limits: Limits) -> set:
    """The channels that no weights make."""
    used = [
        np.any([rows.any(1) for rows in group.weights], 0) for group in groups
    ]
    shares = [
        (~of_group).sum() / group.num_channels
        for of_group, group in zip(used, groups, strict=True)
    ]
    return by_layer(groups, used, shares, limits)


def _least(groups, scores, counts, multiple_of):
    removed = set()
    for group, of_group, count in zip(groups, scores, counts, strict=True):
        chosen = _least_of(group, of_group, count)
        if len(chosen) < count:
            # Fewer than can go leave as many more that a multiple stays.
            more = -(group.num_channels - len(chosen)) % multiple_of
            chosen = chosen[: max(len(chosen) - more, 0)]
        removed.update(group.roots[chosen].tolist())
    return removed


def _least_of(group, scores, count):
    """Indices of the least channels, never all that one layer makes."""
    sizes = [[len(x) for x in indices] for _, _, indices in group.places]
    sizes = np.reshape(sizes, (len(sizes), len(scores)))
    left = np.array([v.shape[axis] for v, axis, _ in group.places], int)
    chosen = []
    for index in np.argsort(scores, kind="stable"):
        after = left - sizes[:, index]
        if len(chosen) < count and (after > 0).all():
            chosen.append(index)
            left = after
    return np.array(chosen, int)
