"""What operations on several tensors make of their values, in NumPy."""

import functools

import numpy as np


def _product(x, y):
    """Zero where one is, whatever the other."""
    return np.where((x == 0) | (y == 0), 0.0, x * y)


def _folded(function):
    return lambda arrays: functools.reduce(function, arrays)


add = _folded(np.add)
subtract = _folded(np.subtract)
multiply = _folded(_product)
divide = _folded(np.divide)
maximum = _folded(np.maximum)
minimum = _folded(np.minimum)


def average(arrays):
    return add(arrays) / len(arrays)
