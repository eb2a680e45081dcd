"""Ranges for quantization from a histogram of the values seen."""

import numpy as np


def percentile_range(
    counts: np.ndarray, edges: np.ndarray, coverage: float
) -> tuple[float, float]:
    """The range that leaves `(1 - coverage) / 2` of the values on each side.

    `counts`: array of shape (bins,), how many values fell into each bin.
    `edges`: array of shape (bins + 1,), ascending edges of the bins.
    `coverage`: float in (0, 1], share of the values inside the range.

    Returns: Pair of floats (min, max), widened to contain 0.
    """
    shares = np.concatenate([[0.0], np.cumsum(counts) / np.sum(counts)])
    tail = (1.0 - coverage) / 2.0
    low, high = np.interp([tail, 1.0 - tail], shares, edges)
    return min(float(low), 0.0), max(float(high), 0.0)


def mse_range(
    counts: np.ndarray, edges: np.ndarray, num_bits: int, steps: int = 80
) -> tuple[float, float]:
    """The range with the least mean squared rounding and clipping error.

    Searches shares of the range of the data, both ends together and then each
    alone ([Banner et al., 2019](https://arxiv.org/abs/1810.05723) motivate
    clipping; here the error is measured, not modelled).

    `counts`: array of shape (bins,), how many values fell into each bin.
    `edges`: array of shape (bins + 1,), ascending edges of the bins.
    `num_bits`: integer, width of the integers, in bits. `steps`: integer, how
    many shares are tried.

    Returns: Pair of floats (min, max) that contains 0.
    """
    centres = (edges[:-1] + edges[1:]) / 2.0
    low, high = min(float(edges[0]), 0.0), max(float(edges[-1]), 0.0)
    shares = np.linspace(1.0 / steps, 1.0, steps)

    def error(bounds):
        return _squared_error(centres, counts, *bounds, num_bits)

    best = min(((low * s, high * s) for s in shares), key=error)
    best = min(((best[0], high * s) for s in shares), key=error)
    return min(((low * s, best[1]) for s in shares), key=error)


def _squared_error(values, counts, low, high, num_bits):
    if high <= low:
        return np.inf
    scale = (high - low) / (2**num_bits - 1)
    zero_point = np.round(-low / scale)
    levels = np.clip(np.round(values / scale) + zero_point, 0, 2**num_bits - 1)
    return float(np.sum(counts * ((levels - zero_point) * scale - values) ** 2))
