"""The median stopping rule, on curves of numbers and nothing else."""

import math
import statistics
from collections.abc import Iterable
from collections.abc import Mapping

# A learning curve: the value after each epoch; the first epoch is 1.
Values = Mapping[int, float]


def best_so_far(values: Values, epoch: int, mode: str) -> float:
    """The best value up to an epoch; a NaN among them counts as worst."""
    scores = _scores(values, epoch, mode)
    best = -math.inf if -math.inf in scores else max(scores, default=-math.inf)
    return _sign(mode) * best


def running_average(
    values: Values, epoch: int, mode: str, begin: int = 1
) -> float | None:
    """The mean of the values from one epoch up to another.

    Returns: None for a curve that begins later or does not reach the epoch,
    which says nothing about it. A NaN counts as worst from its epoch on, also
    for a curve that ended with it.
    """
    scores = _scores(values, epoch, mode, begin)
    if -math.inf in scores:
        return _sign(mode) * -math.inf
    if not scores or max(values) < epoch or min(values) > begin:
        return None
    return _sign(mode) * math.fsum(scores) / len(scores)


def median_of_averages(
    peers: Iterable[Values], epoch: int, mode: str, begin: int = 1
) -> float | None:
    """The median of the running averages; None without any."""
    averages = [running_average(v, epoch, mode, begin) for v in peers]
    known = [average for average in averages if average is not None]
    return statistics.median(known) if known else None


def is_behind(best: float, median: float, mode: str, min_delta: float) -> bool:
    """Whether a best value is worse than a median by more than a margin."""
    sign = _sign(mode)
    return sign * best < sign * median - min_delta


def _scores(values, epoch, mode, begin=1):
    """The values up to an epoch, larger being better and NaN the worst."""
    found = [value for at, value in values.items() if begin <= at <= epoch]
    sign = _sign(mode)
    return [-math.inf if math.isnan(v) else sign * v for v in found]


def _sign(mode):
    return 1 if mode == "max" else -1
