"""What is known of a tensor: which channel each index of one axis is of."""

import dataclasses
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class TensorChannels:
    """The channels along one axis of a tensor.

    A tensor of which nothing can be removed has none.

    Attributes:
        axis: Positive integer, the axis; the batch is 0.
        ids: Integer array, the channel of each index, see `ChannelSets`.
        values: Float array, what the tensor holds at an index once its channel
            is removed from the layers before; NaN where that is no one number.
    """

    axis: int
    ids: np.ndarray
    values: np.ndarray

    @property
    def is_zero(self) -> np.ndarray:
        """Boolean array, the indices that hold zero once removed."""
        return self.values == 0

    def moved(self, axis: int) -> "TensorChannels":
        return dataclasses.replace(self, axis=axis)

    def repeated(self, count: int) -> "TensorChannels":
        """Each index so many times in a row."""
        return dataclasses.replace(
            self,
            ids=np.repeat(self.ids, count),
            values=np.repeat(self.values, count),
        )

    def holding(self, values) -> "TensorChannels":
        """The same channels with other values."""
        values = np.broadcast_to(np.asarray(values, float), self.ids.shape)
        # With infinity there is nothing to compute.
        values = np.where(np.isfinite(values), values, np.nan)
        return dataclasses.replace(self, values=values)

    def mapped(self, function: Callable) -> "TensorChannels":
        """Behind an operation on each element by itself."""
        # Quiet where a function is not defined: that channel will be NaN.
        with np.errstate(all="ignore"):
            return self.holding(function(self.values))

    def unknown(self) -> "TensorChannels":
        """Behind what keeps zero, and may make any other value vary."""
        return self.holding(np.where(self.is_zero, 0.0, np.nan))
