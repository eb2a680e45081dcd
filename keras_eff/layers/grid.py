import dataclasses

import numpy as np

from keras_eff.arguments import wrong_argument


@dataclasses.dataclass(frozen=True)
class Grid:
    """The integers that a weight consists of: `weight = integers * scale`.

    What a step of your own returns from `grid`, so that an exported file holds
    these very integers.

    Args:
        integers: Array of integers in `[-limit, limit]`, where `limit` is
            `2**(num_bits - 1) - 1`, as integer kernels demand; of the shape of
            the weight.
        scale: Array of positive floats that broadcasts against `integers`:
            one number, or one for each channel that an integer kernel has a
            scale for. Batch normalization and the like, which files fold into
            weights, may scale channels further.
        num_bits: Integer in [2, 8], width of the integers, in bits.

    Raises:
        ValueError: If an argument is out of range, or the shapes do not fit.

    Example:

    >>> integers = np.array([[1, -7], [0, 3]])
    >>> grid = keras_eff.layers.Grid(integers, scale=0.5, num_bits=4)
    >>> grid.values
    array([[ 0.5, -3.5],
           [ 0. ,  1.5]], dtype=float32)
    """

    integers: np.ndarray
    scale: np.ndarray
    num_bits: int

    def __post_init__(self):
        integers = np.asarray(self.integers)
        scale = np.asarray(self.scale, "float32")
        if self.num_bits not in range(2, 9):
            expected = "an integer in [2, 8]"
            raise wrong_argument("num_bits", self.num_bits, expected)
        limit = 2 ** (self.num_bits - 1) - 1
        if np.any(integers != np.clip(np.rint(integers), -limit, limit)):
            raise ValueError(
                f"Argument `integers` must hold integers in [-{limit}, {limit}]"
                f" at num_bits={self.num_bits}: clip them. Received: values "
                f"from {integers.min()} to {integers.max()}"
            )
        sizes = zip(scale.shape[::-1], integers.shape[::-1], strict=False)
        fits = scale.ndim <= integers.ndim and all(
            size in (1, full) for size, full in sizes
        )
        if not fits or not np.all(scale > 0):
            raise ValueError(
                "Argument `scale` must be positive and broadcast against "
                f"`integers` of shape {integers.shape}. Received: scale of "
                f"shape {scale.shape}, the least is {scale.min()}"
            )
        object.__setattr__(self, "integers", integers.astype("int8"))
        object.__setattr__(self, "scale", scale)

    @property
    def values(self):
        """The weight: `integers * scale`."""
        return self.integers * self.scale
