"""Channels that belong to the same layers."""

import dataclasses

import keras
import numpy as np

from keras_eff.channels.graph import ChannelGraph
from keras_eff.channels.labels import Labels


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
        roots: Integer array, the set of each channel, see `Labels`.
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
        (site, labels)
        for site in graph.sites.values()
        for labels in site.outputs.values()
    ]
    tied = Labels()
    numbers = tied.new(len(begun))
    owners = {}
    for number, (_, labels) in zip(numbers, begun, strict=True):
        for root in graph.labels.roots(labels):
            owner = owners.setdefault(root, number)
            tied.unite([owner], [number])
    parts = {}
    for number, source in zip(numbers, begun, strict=True):
        parts.setdefault(tied.root(number), []).append(source)
    return [_group(graph, sources) for sources in parts.values()]


def _group(graph, sources):
    labels = np.concatenate([labels for _, labels in sources])
    roots = np.unique(graph.labels.roots(labels))
    reasons = {root: graph.labels.reason(root) for root in roots}
    free = np.array([r for r in roots if reasons[r] is None], int)
    weights, scales = (
        list(_places(graph, free, kind)) for kind in ("sources", "scales")
    )
    names = [site.operation.name for site, _ in sources]
    return ChannelGroup(
        name=names[0],
        layers=tuple(dict.fromkeys(names)),
        weights=[rows(*place) for place in weights],
        scales=[np.abs(rows(*place)).sum(1) for place in scales],
        reason=next(filter(None, reasons.values()), None),
        num_frozen=len(roots) - len(free),
        roots=free,
        places=weights,
    )


def _places(graph, roots, kind):
    """Variables with these channels: their axis, and each channel's indices."""
    for site in graph.sites.values():
        for key, (variable, axis) in getattr(site, kind).items():
            of_axis = graph.labels.roots(site.cuts[key][axis])
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
