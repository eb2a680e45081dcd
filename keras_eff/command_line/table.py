"""Tables for people, and the same rows for machines."""

import csv
import dataclasses
import io
import json
import math
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from keras_eff.printable import printable
from keras_eff.table import format_table


@dataclasses.dataclass(frozen=True)
class Column:
    """One column of a table.

    `numbers`: how its numbers are formatted, such as ",.3f"; empty for a column
    of text. Numbers are aligned to the right.
    """

    title: str
    key: str
    numbers: str = ""


def format_rows(columns: Sequence[Column], rows: Sequence[Mapping]) -> str:
    """Returns aligned lines; a missing value is a dash.

    A column in which no row has a value is left out.
    """
    shown = [
        column
        for column in columns
        if any(row.get(column.key) is not None for row in rows)
    ]
    return format_table(
        {column.title: column.numbers for column in shown},
        [
            [_cell(column, row.get(column.key)) for column in shown]
            for row in rows
        ],
    )


def _cell(column, value):
    if column.numbers:
        return value
    return "-" if value is None else printable(str(value))


def format_json(value: Any) -> str:
    """Returns JSON, with numbers in full precision.

    It has no NaN and no infinity, which become null.
    """
    return json.dumps(_finite(value), indent=2, allow_nan=False)


def _finite(value):
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    is_number = not isinstance(value, float) or math.isfinite(value)
    return value if is_number else None


def format_csv(
    keys: Sequence[str], rows: Iterable[Mapping], *, has_header: bool = True
) -> str:
    """Returns lines of CSV, with numbers in full precision.

    A missing value is an empty field; values under other keys are left out.
    """
    text = io.StringIO()
    writer = csv.DictWriter(
        text, keys, extrasaction="ignore", lineterminator="\n"
    )
    if has_header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
