import dataclasses
import math
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from keras_eff.arguments import read_number
from keras_eff.tuning.objectives import check_names
from keras_eff.tuning.objectives import comparable
from keras_eff.tuning.objectives import rows_of

_FOOTPRINT = ("size_bytes", "latency_ms")
_WORDS = {
    "size_bytes": "smaller",
    "gzip_bytes": "smaller to download",
    "latency_ms": "faster",
}


@dataclasses.dataclass(frozen=True)
class Exchange:
    """One model in place of another; print it for a sentence.

    Attributes:
        before: Mapping, the row of the model that goes.
        after: Mapping, the row of the one that takes its place.
        quality: String, the figure that is better when larger.
        footprint: Tuple of strings, the figures that are better when smaller.
    """

    before: Mapping
    after: Mapping
    quality: str
    footprint: tuple[str, ...]

    @property
    def gain(self) -> float:
        """What `quality` gains, in its own units."""
        return float(self.after[self.quality] - self.before[self.quality])

    @property
    def ratios(self) -> dict[str, float]:
        """How many times each figure of `footprint` is smaller."""
        return {
            name: _ratio(self.before[name], self.after[name])
            for name in self.footprint
        }

    def __str__(self):
        times = ", ".join(
            f"{ratio:.3g} times {_WORDS.get(name, f'less {name}')}"
            for name, ratio in self.ratios.items()
        )
        values = (self.before[self.quality], self.after[self.quality])
        return (
            f"{_label(self.before)} -> {_label(self.after)}: {times}, "
            f"{self.quality} {values[0]:.4g} -> {values[1]:.4g}"
        )


def shrink_and_improve(
    baseline: Iterable[Mapping] | Any,
    candidates: Iterable[Mapping] | Any,
    *,
    quality: str = "accuracy",
    footprint: Sequence[str] = _FOOTPRINT,
    tolerance: float = 0.0,
) -> list[Exchange]:
    """Returns what takes less, at the same quality, for each model it can.

    The strategy for models whose footprint matters: shrink one, then improve
    it until it is as good as what it replaces. Of the candidates that are as
    good and in no figure larger, it takes the one whose figures are the most
    times smaller (their geometric mean).

    Args:
        baseline: Rows of the models to replace, or a tuner, as in
            `keras_eff.tuning.pareto_front`.
        candidates: The same of the models that may take their place.
        quality: The figure that is better when larger.
        footprint: The figures that are better when smaller.
        tolerance: Float, 0 or more: how much of `quality` may be lost.

    Returns:
        A list of `keras_eff.tuning.Exchange`, in the order of `baseline`,
        without the rows that nothing replaces.

    Raises:
        TypeError: If there are neither rows nor a tuner, or a figure is not a
            number.
        ValueError: If none of the rows has one of the figures, none is named,
            or `tolerance` is negative.

    Example:

    >>> large = {"name": "large", "accuracy": 0.9, "size_bytes": 900}
    >>> small = {"name": "small, taught", "accuracy": 0.9, "size_bytes": 300}
    >>> for exchange in keras_eff.tuning.shrink_and_improve(
    ...     [large], [small], footprint=["size_bytes"]
    ... ):
    ...     print(exchange)
    large -> small, taught: 3 times smaller, accuracy 0.9 -> 0.9

    Reference:
        - [Menghani, 2021](https://arxiv.org/abs/2106.08962), section 4
    """
    read_number("tolerance", tolerance, "[0, inf)")

    def is_better(exchange):
        ratios = exchange.ratios.values()
        return exchange.gain >= -tolerance and max(ratios) > 1

    def worth(exchange):
        return math.prod(exchange.ratios.values()), exchange.gain

    return _exchanges(
        baseline, candidates, quality, footprint, is_better, worth
    )


def grow_improve_shrink(
    baseline: Iterable[Mapping] | Any,
    candidates: Iterable[Mapping] | Any,
    *,
    quality: str = "accuracy",
    footprint: Sequence[str] = _FOOTPRINT,
) -> list[Exchange]:
    """Returns what is better, at the same footprint, for each model it can.

    The strategy for models whose quality matters: grow one, improve it, and
    shrink it until it takes no more than what it replaces. Of the candidates
    that are in no figure larger, it takes the best one.

    Args:
        baseline: Rows of the models to replace, or a tuner, as in
            `keras_eff.tuning.pareto_front`.
        candidates: The same of the models that may take their place.
        quality: The figure that is better when larger.
        footprint: The figures that are better when smaller.

    Returns:
        A list of `keras_eff.tuning.Exchange`, in the order of `baseline`,
        without the rows that nothing betters.

    Raises:
        TypeError: If there are neither rows nor a tuner, or a figure is not a
            number.
        ValueError: If none of the rows has one of the figures, or none is
            named.

    Example:

    >>> plain = {"name": "plain", "accuracy": 0.8, "latency_ms": 2.0}
    >>> pruned = {"name": "pruned", "accuracy": 0.9, "latency_ms": 1.9}
    >>> [exchange] = keras_eff.tuning.grow_improve_shrink(
    ...     [plain], [pruned], footprint=["latency_ms"]
    ... )
    >>> print(exchange)
    plain -> pruned: 1.05 times faster, accuracy 0.8 -> 0.9

    Reference:
        - [Menghani, 2021](https://arxiv.org/abs/2106.08962), section 4
    """

    def is_better(exchange):
        return exchange.gain > 0

    def worth(exchange):
        return exchange.gain, math.prod(exchange.ratios.values())

    return _exchanges(
        baseline, candidates, quality, footprint, is_better, worth
    )


def _exchanges(baseline, candidates, quality, footprint, is_better, worth):
    """For each row of `baseline`, the exchange that is worth the most."""
    footprint = check_names("footprint", footprint)
    names = check_names("quality", [quality]) + footprint
    if not footprint or len(set(names)) < len(names):
        raise ValueError(
            "Arguments `quality` and `footprint` must name at least one figure "
            f"each, and each once. Received: quality={quality!r}, "
            f"footprint={footprint}"
        )
    before = comparable(rows_of("baseline", baseline), names)
    after = comparable(rows_of("candidates", candidates), names)
    chosen = []
    for row in before:
        found = [
            Exchange(row, other, quality, footprint)
            for other in after
            if all(other[name] <= row[name] for name in footprint)
        ]
        found = [exchange for exchange in found if is_better(exchange)]
        if found:
            chosen.append(max(found, key=worth))
    return chosen


def _ratio(before, after):
    if after == before:
        return 1.0
    return float(before / after) if after else math.inf


def _label(row):
    return str(row["name"]) if "name" in row else str(dict(row))
