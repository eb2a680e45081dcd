"""Which channels of a model can only go together."""

import numpy as np


class Labels:
    """Sets of channels, united as ties between them are found.

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

    def root(self, label: int) -> int:
        """The channel that stands for the set of this one."""
        parents = self._parents
        while parents[label] != label:
            parents[label] = parents[parents[label]]
            label = parents[label]
        return label

    def roots(self, labels: np.ndarray) -> np.ndarray:
        if self._roots is None:
            roots = np.array(self._parents, int)
            while (roots[roots] != roots).any():
                roots = roots[roots]
            self._roots = roots
        return self._roots[labels]

    def unite(self, labels: np.ndarray, others: np.ndarray) -> None:
        """Ties each channel to its counterpart."""
        for pair in zip(labels, others, strict=True):
            one, other = map(self.root, pair)
            if one == other:
                continue
            self._parents[other] = one
            self._roots = None
            if other in self._reasons:
                self._reasons.setdefault(one, self._reasons.pop(other))

    def freeze(self, labels: np.ndarray, reason: str) -> None:
        for label in labels:
            self._reasons.setdefault(self.root(label), reason)

    def reason(self, label: int) -> str | None:
        """Why the set of a channel is frozen; None if it is not."""
        return self._reasons.get(self.root(label))
