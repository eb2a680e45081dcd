"""What is known of a tensor: which channel each index of one axis is of."""

import dataclasses
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Flow:
    """The channels along one axis of a tensor.

    A tensor of which nothing can be removed has none.

    Attributes:
        axis: Positive integer, the axis; the batch is 0.
        labels: Integer array, the channel of each index, see `Labels`.
        values: Float array, what the tensor holds at an index once its channel
            is removed from the layers before; NaN where that is no one number.
    """

    axis: int
    labels: np.ndarray
    values: np.ndarray

    @property
    def is_zero(self) -> np.ndarray:
        """Boolean array, the indices that hold zero once removed."""
        return self.values == 0

    def moved(self, axis: int) -> "Flow":
        return dataclasses.replace(self, axis=axis)

    def repeated(self, count: int) -> "Flow":
        """Each index so many times in a row."""
        return dataclasses.replace(
            self,
            labels=np.repeat(self.labels, count),
            values=np.repeat(self.values, count),
        )

    def holding(self, values) -> "Flow":
        """The same channels with other values."""
        values = np.broadcast_to(np.asarray(values, float), self.labels.shape)
        # With infinity there is nothing to compute.
        values = np.where(np.isfinite(values), values, np.nan)
        return dataclasses.replace(self, values=values)

    def mapped(self, function: Callable) -> "Flow":
        """Behind an operation on each element by itself."""
        # Quiet where a function is not defined: that channel will be NaN.
        with np.errstate(all="ignore"):
            return self.holding(function(self.values))

    def unknown(self) -> "Flow":
        """Behind what keeps zero, and may make any other value vary."""
        return self.holding(np.where(self.is_zero, 0.0, np.nan))
