"""Functions that entries of the book hold: predicates, weights, arithmetic."""

import functools
import math
import numbers

import numpy as np

from keras_eff.graph.book import WeightEntry


def is_stateless(layer) -> bool:
    return not getattr(layer, "stateful", False)


def is_over_last_axis(layer) -> bool:
    """Of a softmax, or a built normalization."""
    if layer.axis == -1:
        return True
    spec = getattr(layer, "input_spec", None)
    rank = spec.ndim if spec is not None and layer.built else None
    return rank == layer.axis + 1


def has_usual_interpolation(operation) -> bool:
    """Whether a resizing has a kernel of TFLite."""
    extras = ("antialias", "pad_to_aspect_ratio")
    return operation.interpolation in ("nearest", "bilinear") and not any(
        getattr(operation, name, False) for name in extras
    )


def pads_with_a_constant(operation) -> bool:
    return operation.mode == "constant"


def has_zero_between(clip) -> bool:
    low, high = clip_bounds(clip)
    are_numbers = all(isinstance(x, numbers.Real) for x in (low, high))
    return are_numbers and low <= 0 <= high and low < high


def clip_bounds(operation) -> tuple:
    return operation.x_min, operation.x_max


def relu_bounds(layer) -> tuple:
    largest = layer.max_value
    return 0.0, math.inf if largest is None else largest


def einsum_weights(layer) -> tuple[WeightEntry, ...]:
    """The kernel of an `EinsumDense`, by its equation."""
    inputs, outputs = layer.equation.split("->")
    kernel = inputs.split(",")[1].strip()
    axes = [axis - len(kernel) for axis in range(len(kernel))]
    made = tuple(axis for axis in axes if kernel[axis] in outputs)
    summed = [axis for axis in axes if axis not in made]
    return (WeightEntry("kernel", made, summed[-1] if summed else -1),)


def _product(x, y):
    """Zero where one is, whatever the other."""
    return np.where((x == 0) | (y == 0), 0.0, x * y)


def _folded(function):
    """What an operation on several arrays makes of their values."""
    return lambda arrays: functools.reduce(function, arrays)


add = _folded(np.add)
subtract = _folded(np.subtract)
multiply = _folded(_product)
divide = _folded(np.divide)
maximum = _folded(np.maximum)
minimum = _folded(np.minimum)


def average(arrays):
    return add(arrays) / len(arrays)
