"""Which channels of a model can only go together: a union-find."""

import numpy as np


class ChannelSets:
    """Sets of channels, united as ties between them are found: a union-find.

    A channel is an integer; channels of one set are removed together or not at
    all. A set can be frozen, with the reason: then it stays.
    """

    def __init__(self):
        self._parents = []
        self._reasons = {}
        # Of all channels, until others are made or tied.
        self._roots = None

    def new(self, count: int) -> np.ndarray:
        """So many channels that nothing ties yet."""
        first = len(self._parents)
        self._parents.extend(range(first, first + count))
        self._roots = None
        return np.arange(first, first + count)

    def root(self, channel: int) -> int:
        """The channel that stands for the set of this one."""
        parents = self._parents
        while parents[channel] != channel:
            parents[channel] = parents[parents[channel]]
            channel = parents[channel]
        return channel

    def roots(self, ids: np.ndarray) -> np.ndarray:
        if self._roots is None:
            roots = np.array(self._parents, int)
            while (roots[roots] != roots).any():
                roots = roots[roots]
            self._roots = roots
        return self._roots[ids]

    def unite(self, ids: np.ndarray, others: np.ndarray) -> None:
        """Ties each channel to its counterpart."""
        for pair in zip(ids, others, strict=True):
            one, other = map(self.root, pair)
            if one == other:
                continue
            self._parents[other] = one
            self._roots = None
            if other in self._reasons:
                self._reasons.setdefault(one, self._reasons.pop(other))

    def freeze(self, ids: np.ndarray, reason: str) -> None:
        for channel in ids:
            self._reasons.setdefault(self.root(channel), reason)

    def reasons(self, ids: np.ndarray) -> dict[int, str | None]:
        """Why the sets of these channels are frozen, by their roots.

        None for a set that is not.
        """
        roots = self.roots(ids).tolist()
        return {root: self._reasons.get(root) for root in roots}
