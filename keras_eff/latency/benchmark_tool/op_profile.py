import dataclasses
import re
from collections.abc import Sequence

_SECTION = "Operator-wise Profiling Info for Regular Benchmark Runs:"
_TABLE = re.compile(r"=+ Run Order =+")
_NUM_ROWS = re.compile(r"Number of nodes executed: ([0-9]{1,9})")
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?")
# The share of a time that the tool rounds to zero, of a sum that it does.
_NO_SHARE = ("nan", "-nan")


@dataclasses.dataclass(frozen=True)
class OpTime:
    """The time of one operator.

    Args:
        op: String, type of the operator, such as `"CONV_2D"`. What a delegate
            runs is one operator of the delegate's name, or, in LiteRT's tool,
            one for each of the delegate's own.
        name: String, what the tool calls it: its outputs and its place.
        ms: Float, mean time of a run, in milliseconds.
        share: Float in [0, 1], its share of the time of all; 0 where all
            are too short for the tool.
    """

    op: str
    name: str
    ms: float
    share: float


def has_op_profile(texts: Sequence[str]) -> bool:
    """Whether a log has an operator profile, or a part of one."""
    return any(
        text.startswith(_SECTION) or _TABLE.fullmatch(text.strip())
        for text in texts
    )


def read_op_profile(
    texts: Sequence[str], is_headed: bool
) -> tuple[OpTime, ...]:
    """Returns the times of the operators of the main graph, in run order.

    `is_headed`: whether the tool heads the profile of the runs by a line of its
    own, as TFLite's does: it profiles the initialization too.
    """
    remaining = iter(texts)
    if is_headed and not any(text.startswith(_SECTION) for text in remaining):
        raise ValueError(f"the line {_SECTION!r} is missing")
    if not any(_TABLE.fullmatch(text.strip()) for text in remaining):
        raise ValueError("the table 'Run Order' is missing")
    columns = _cells(next(remaining, ""))
    rows, num_rows = [], None
    for text in remaining:
        if not text.startswith("\t"):
            num_rows = _find_num_rows([text, *remaining])
            break
        rows.append(_read_row(columns, text))
    if num_rows is None:
        raise ValueError(f"it ends after {len(rows)} operators")
    if num_rows != len(rows):
        raise ValueError(f"{len(rows)} of {num_rows} operators are there")
    return tuple(rows)


def _cells(text):
    # The first tab stands before the first cell.
    return [cell.strip() for cell in text.split("\t")[1:]]


def _find_num_rows(texts):
    matches = (_NUM_ROWS.fullmatch(text.strip()) for text in texts)
    return next((int(match[1]) for match in matches if match), None)


def _read_row(columns, text):
    cells = _cells(text)
    row = dict(zip(columns, cells, strict=False))
    ms, percent = row.get("[avg ms]", ""), row.get("[%]", "")[:-1]
    percent = "0" if percent in _NO_SHARE else percent
    if (
        len(cells) != len(columns)
        or not {"[node type]", "[Name]", "[avg ms]", "[%]"} <= row.keys()
        or not _NUMBER.fullmatch(ms)
        or not _NUMBER.fullmatch(percent)
        or float(percent) > 100
    ):
        raise ValueError(f"the line {text.strip()!r} is damaged")
    return OpTime(
        op=row["[node type]"],
        name=row["[Name]"],
        ms=float(ms),
        share=float(percent) / 100,
    )
