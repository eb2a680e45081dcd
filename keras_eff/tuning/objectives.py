"""Rows of figures, as users hand them over."""

import math
import numbers
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from keras_eff.arguments import described
from keras_eff.tuning.trial_rows import trial_rows

_COMPLETED = "COMPLETED"


def check_names(argument: str, names: Sequence[str]) -> tuple[str, ...]:
    """The names of figures, as a tuple."""
    if isinstance(names, str) or not all(isinstance(x, str) for x in names):
        raise TypeError(
            f"Argument `{argument}` must be a sequence of strings. "
            f"Received: {argument}={names!r}"
        )
    return tuple(names)


def rows_of(
    argument: str, rows_or_tuner: Iterable[Mapping] | Any
) -> list[Mapping]:
    """The rows of an iterable, or of the trials of a tuner."""
    if isinstance(rows_or_tuner, Mapping) or not isinstance(
        rows_or_tuner, Iterable
    ):
        return trial_rows(rows_or_tuner)
    rows = list(rows_or_tuner)
    for row in rows:
        if not isinstance(row, Mapping):
            raise TypeError(
                f"Argument `{argument}` must hold mappings. Received: "
                f"{described(row)}"
            )
    return rows


def comparable(rows: Sequence[Mapping], names: Sequence[str]) -> list[Mapping]:
    """The rows of completed trials in which all these figures are known."""
    completed = [r for r in rows if r.get("status", _COMPLETED) == _COMPLETED]
    known = sorted({str(key) for row in completed for key in row})
    unknown = [name for name in names if name not in known]
    if unknown and completed:
        raise ValueError(
            f"The objectives must be figures of the rows, which have {known}. "
            f"Received: {unknown}"
        )
    return [
        row for row in completed if all(_is_known(row, name) for name in names)
    ]


def is_finite(value: Any) -> bool:
    """Whether it is a number, and neither NaN nor infinite."""
    return isinstance(value, numbers.Real) and math.isfinite(value)


def _is_known(row, name):
    value = row.get(name)
    if value is None:
        return False
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise TypeError(
            f"Figure {name!r} must be a number, or None. Received: "
            f"{described(value)}"
        )
    return math.isfinite(value)
