"""Channels that belong to the same layers."""

import dataclasses

import keras
import numpy as np

from keras_eff.channels.channel_sets import ChannelSets
from keras_eff.channels.graph import ChannelGraph


@dataclasses.dataclass(frozen=True)
class ChannelGroup:
    """The channels of one layer, or of several that are tied.

    Attributes:
        name: String, the first of `layers`.
        layers: Tuple of strings, the layers in which the channels begin.
        weights: List of float arrays of shape (channels, elements), what makes
            each channel in each of the layers.
        scales: List of float arrays of shape (channels,), the factors of the
            batch normalizations behind them.
        reason: String or None, why some of its channels always stay.
        num_frozen: Integer, how many do. They are in none of the arrays.
        roots: Integer array, the set of each channel, see `ChannelSets`.
        places: List of what each of `weights` comes from: the variable, its
            axis, and the indices of each channel.
    """

    name: str
    layers: tuple[str, ...]
    weights: list[np.ndarray]
    scales: list[np.ndarray]
    reason: str | None
    num_frozen: int
    roots: np.ndarray
    places: list

    @property
    def num_channels(self) -> int:
        """How many there are, with those that always stay."""
        return len(self.roots) + self.num_frozen


def groups_of(graph: ChannelGraph) -> list[ChannelGroup]:
    """The groups of a model, in the order of its layers."""
    begun = [
        (layer, ids)
        for layer in graph.layers.values()
        for ids in layer.outputs.values()
    ]
    tied = ChannelSets()
    numbers = tied.new(len(begun))
    owners = {}
    for number, (_, ids) in zip(numbers, begun, strict=True):
        roots = graph.sets.roots(ids).tolist()
        first = [owners.setdefault(root, number) for root in roots]
        tied.unite(first, [number] * len(first))
    parts = {}
    for root, source in zip(tied.roots(numbers), begun, strict=True):
        parts.setdefault(root, []).append(source)
    return [_group(graph, sources) for sources in parts.values()]


def _group(graph, sources):
    ids = np.concatenate([ids for _, ids in sources])
    reasons = graph.sets.reasons(np.sort(graph.sets.roots(ids)))
    free = np.array([r for r, why in reasons.items() if why is None], int)
    weights, scales = (
        list(_places(graph, free, kind)) for kind in ("sources", "scales")
    )
    names = [layer.name for layer, _ in sources]
    return ChannelGroup(
        name=names[0],
        layers=tuple(dict.fromkeys(names)),
        weights=[rows(*place) for place in weights],
        scales=[np.abs(rows(*place)).sum(1) for place in scales],
        reason=next(filter(None, reasons.values()), None),
        num_frozen=len(reasons) - len(free),
        roots=free,
        places=weights,
    )


def _places(graph, roots, kind):
    """Variables with these channels: their axis, and each channel's indices."""
    for layer in graph.layers.values():
        for key, (variable, axis) in getattr(layer, kind).items():
            of_axis = graph.sets.roots(layer.cuts[key][axis])
            if np.isin(of_axis, roots).any():
                places = [np.flatnonzero(of_axis == root) for root in roots]
                yield variable, axis, places


def rows(variable, axis: int, places: list) -> np.ndarray:
    """For each channel the elements at its indices, filled up with zeros."""
    value = keras.ops.convert_to_numpy(variable).astype("float64")
    value = np.moveaxis(value, axis, 0).reshape(value.shape[axis], -1)
    found = [value[indices].ravel() for indices in places]
    size = max(map(len, found))
    return np.stack([np.pad(row, (0, size - len(row))) for row in found])
