"""What moves values about, in operations that the converter makes integer."""

import numpy as np
from keras import ops


def slices(split, tensor) -> list:
    """The parts that `keras.ops.split` returns, each a slice of its own.

    The converter leaves a split float if not all of its parts are read.
    """
    axis, where = split.axis, split.indices_or_sections
    size = tensor.shape[axis]
    if isinstance(where, int):
        where = range(size // where, size, size // where)
    ends = [0, *where, size]
    before = (slice(None),) * (axis % len(tensor.shape))
    return [
        tensor[(*before, slice(*pair))]
        for pair in zip(ends[:-1], ends[1:], strict=True)
    ]


def flipped(flip, tensor):
    """The tensor reversed, by the places of its elements.

    Returns None if the axes or their lengths are not known.
    """
    axes = flip.axis
    axes = (axes,) if isinstance(axes, int) else axes
    if axes is None or any(tensor.shape[axis] is None for axis in axes):
        return None
    for axis in axes:
        places = np.arange(tensor.shape[axis], dtype="int32")[::-1]
        tensor = ops.take(tensor, places, axis)
    return tensor
