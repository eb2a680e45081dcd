"""The rows of `keras-eff measure`: figures of one file on one device."""

import dataclasses
import os
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

import keras_eff
from keras_eff.command_line import table

_CSV_KEYS = (
    *("file", "size_bytes", "median_ms", "p5_ms", "p95_ms", "mean_ms"),
    *("min_ms", "std_ms", "init_ms", "peak_memory_mb"),
    *("num_runs", "num_threads", "delegated", "runner", "device"),
    *("warnings", "error"),
)
_TIMES = {
    "median ms": "median_ms",
    "p5 ms": "p5_ms",
    "p95 ms": "p95_ms",
    "mean ms": "mean_ms",
}
# Below 0.1 ms, the times have digits down to 10 ns.
_SHORT_MS = 0.1
_CIRCUMSTANCES = (
    table.Column("runs", "num_runs", ",d"),
    table.Column("threads", "num_threads", ",d"),
    table.Column("runner", "runner"),
    table.Column("device", "device"),
)
_ERROR = table.Column("error", "error")
_ERROR_WIDTH = 50
_OPERATORS = (
    table.Column("operator", "op"),
    table.Column("name", "name"),
    table.Column("ms", "ms", ",.4f"),
    table.Column("share", "share", ".3f"),
)
_TOP_OPERATORS = 10
_NAME_WIDTH = 40


def measured_row(path: str, latency) -> dict:
    """Returns the row of a file that was measured, as JSON shows it."""
    return {
        "file": path,
        "size_bytes": os.path.getsize(path),
        **dataclasses.asdict(latency),
        "error": None,
    }


def failed_row(path: str, device: str | None, error: Exception) -> dict:
    """Returns the row of a file that could not be measured."""
    fields = dataclasses.fields(keras_eff.latency.Latency)
    return {
        "file": path,
        "size_bytes": os.path.getsize(path),
        **dict.fromkeys(field.name for field in fields),
        "device": device,
        "error": str(error) or type(error).__name__,
    }


def csv_lines(rows: Iterable[Mapping], *, has_header: bool) -> str:
    """Returns rows as CSV, without the figures of single operators."""
    return table.format_csv(_CSV_KEYS, map(_flat, rows), has_header=has_header)


def describe(rows: Sequence[Mapping]) -> str:
    """Returns the table for people, and the slowest operators below it."""
    flat = [_flat(row) for row in rows]
    for row in flat:
        row["error"] = row["error"] and _short(row["error"], _ERROR_WIDTH)
    shared = [c for c in _CIRCUMSTANCES if _is_shared(c, flat)]
    others = [c for c in _CIRCUMSTANCES if c not in shared]
    parts = [table.format_rows([*_columns(rows), *others, _ERROR], flat)]
    caption = [f"{c.title} {_shared_text(c, flat)}" for c in shared]
    if caption:
        parts.append("; ".join(caption))
    parts += [_operators(row) for row in rows if row["op_profile"]]
    return "\n\n".join(parts)


def _columns(rows):
    means = [row["mean_ms"] for row in rows if row["mean_ms"]]
    spec = ",.5f" if min(means, default=1.0) < _SHORT_MS else ",.3f"
    return (
        table.Column("file", "file"),
        table.Column("bytes", "size_bytes", ",d"),
        *(table.Column(title, key, spec) for title, key in _TIMES.items()),
        table.Column("init ms", "init_ms", ",.2f"),
        table.Column("peak MB", "peak_memory_mb", ",.1f"),
        table.Column("delegated", "delegated"),
    )


def _flat(row):
    """The row with text in place of lists."""
    return {
        **row,
        "delegated": _delegated(row["delegations"]),
        "warnings": "; ".join(row["warnings"] or ()) or None,
    }


def _delegated(delegations):
    """What delegates took: "XNNPack 29 of 31 in 3 parts"."""
    texts = []
    for each in delegations or ():
        name = each["delegate"].removeprefix("TfLite").removesuffix("Delegate")
        text = f"{name} {each['nodes']:,}"
        if each["total_nodes"] is not None:
            text += f" of {each['total_nodes']:,}"
        if each["partitions"] is not None:
            parts = "part" if each["partitions"] == 1 else "parts"
            text += f" in {each['partitions']:,} {parts}"
        texts.append(text)
    return "; ".join(texts) or None


def _is_shared(column, rows):
    """Whether all files that were measured have it in common."""
    return len({r[column.key] for r in rows if r["error"] is None}) == 1


def _shared_text(column, rows):
    value = next(r[column.key] for r in rows if r["error"] is None)
    return format(value, column.numbers) if column.numbers else value


def _operators(row):
    slowest = sorted(row["op_profile"], key=lambda op: -op["ms"])
    shown = [
        {**op, "name": _end_of(op["name"], _NAME_WIDTH)}
        for op in slowest[:_TOP_OPERATORS]
    ]
    title = f"operators of {row['file']} on {row['device']}"
    if len(slowest) > len(shown):
        title += f", the slowest {len(shown)} of {len(slowest)}"
    return f"{title}\n{table.format_rows(_OPERATORS, shown)}"


def _short(text, width):
    line = text.partition("\n")[0]
    return line if len(line) <= width else f"{line[: width - 3]}..."


def _end_of(name, width):
    # The end of a name says which of several it is.
    return name if len(name) <= width else f"...{name[3 - width :]}"
