"""How far one array is from another, in the terms of signal and noise."""

import math

import numpy as np


def sqnr_db(signal: np.ndarray, values: np.ndarray) -> float:
    """Signal-to-quantization-noise ratio, in dB.

    `10 log10(sum(signal**2) / sum((signal - values)**2))`; infinite where
    the arrays are equal, and -infinite where `values` is not finite or the
    signal is zero and the values are not.
    """
    signal = signal.astype(np.float64)
    noise = float(np.sum(np.square(signal - values)))
    power = float(np.sum(np.square(signal)))
    if noise == 0.0:
        return math.inf
    if not math.isfinite(noise) or power == 0.0:
        return -math.inf
    return 10.0 * math.log10(power / noise)
