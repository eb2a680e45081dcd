"""The report on the survey's experiment: tables, pictures and what they say."""

import collections
import os
import pathlib
import platform
import statistics
from collections.abc import Mapping
from collections.abc import Sequence

from keras_eff.tuning import grow_improve_shrink
from keras_eff.tuning import pareto_front
from keras_eff.tuning import shrink_and_improve

from .survey_columns import COLUMNS
from .survey_columns import INT4_QAT
from .survey_columns import PTQ
from .survey_columns import QAT
from .survey_columns import SURVEY_COLUMNS
from .survey_figures import save_families
from .survey_figures import save_frontier
from .survey_files import FileRow
from .survey_files import LatencyRow
from .survey_files import SizeRow

# Of the survey's table 6, in KB of 1,024 bytes.
_SURVEY_INT8_KB = {
    0.05: 26.87,
    0.1: 38.55,
    0.25: 111.0,
    0.5: 359.31,
    0.75: 767.09,
    1.0: 1334.41,
}
# Its text: what quantization changes, from table 5 to table 6.
_SURVEY_POINTS = "-0.6 to +0.2"
_SURVEY_SIZE_RATIO = 4


_FLOAT = "float32"


def write_report(
    folder: pathlib.Path,
    settings: Mapping,
    files: Sequence[FileRow],
    sizes: Sequence[SizeRow],
    latencies: Sequence[LatencyRow],
) -> pathlib.Path:
    """Writes a report and its pictures into a folder, and returns its path.

    Args:
        folder: Path of the folder.
        settings: Of the run, see pareto_cifar10.py.
        files: At least one row.
        sizes: Of untrained networks.
        latencies: Of all files, on one device; of another than this machine,
            its name is in the names of what is written.
    """
    rows = joined(files, latencies)
    device = latencies[0].device
    suffix = "" if device is None else f"_{device}"
    path = folder / f"report{suffix}.md"
    path.write_text(
        "\n\n".join(
            [
                _introduction(settings, rows, device),
                _survey_table(
                    "Float files (the survey's table 5)", rows, _FLOAT
                ),
                _survey_table("Integer files (its table 6)", rows, QAT),
                _quantization_table(rows),
                _gains_table(rows),
                _sizes_table(sizes),
                _all_files_table(rows),
                _strategies(rows),
                _pictures(rows, folder, suffix),
            ]
        )
        + "\n"
    )
    return path


def joined(
    files: Sequence[FileRow], latencies: Sequence[LatencyRow]
) -> list[dict]:
    """A row for each column, width and kind of file: means over seeds."""
    times = {row.name: row.median_ms for row in latencies}
    groups = collections.defaultdict(list)
    for row in sorted(files, key=_order):
        groups[row.column, row.width, row.file].append(row)
    return [
        {
            "name": f"{column}, width {width:g}, {file}",
            "column": column,
            "width": width,
            "file": file,
            "seeds": len(group),
            "accuracies": [row.accuracy for row in group],
            "latency_ms": statistics.mean(times[row.name] for row in group),
            **{key: _mean(group, key) for key in _MEANS},
        }
        for (column, width, file), group in groups.items()
    ]


def _order(row):
    column = COLUMNS[row.column]
    place = list(COLUMNS).index(row.column)
    return place, row.width, column.files.index(row.file), row.seed


_MEANS = ("num_parameters", "accuracy", "size_bytes", "gzip_bytes")


def _mean(group, key):
    return statistics.mean(getattr(row, key) for row in group)


def _introduction(settings, rows, device):
    images = settings["train_size"] or "all"
    seeds = max(row["seeds"] for row in rows)
    where = device or f"{os.cpu_count()} cores, {platform.machine()}"
    return (
        "# The survey's experiment with keras_eff\n\n"
        f"{settings['dataset']}, {images} training images, all test images; "
        f"{settings['epochs']} epochs from random weights, "
        f"{settings['tune_epochs']} more of networks that start from another, "
        f"{settings['qat_epochs']} more of quantization-aware training (QAT); "
        f"{seeds} seed{'s'[: seeds - 1]}. Epochs were chosen on validation "
        "images. Accuracy is that of the files, on the test images; ms are "
        f"medians, one thread, on {where}. Columns marked (survey) are "
        "published figures of Menghani, 2021 (arXiv:2106.08962), of 100 epochs "
        "over all images; all others were measured here. Its accuracies and "
        "its latencies on phones are not repeated."
    )


def _find(rows, column, width, file):
    for row in rows:
        key = (row["column"], row["width"], row["file"])
        if key == (column, width, file):
            return row
    return None


def _widths(rows, columns=SURVEY_COLUMNS):
    return sorted({r["width"] for r in rows if r["column"] in columns})


def _table(title, header, lines, note=""):
    text = [f"## {title}", "", _line(header), "|" + "---|" * len(header)]
    return "\n".join([*text, *map(_line, lines), *(["", note] if note else [])])


def _line(cells):
    return "| " + " | ".join(map(str, cells)) + " |"


def _accuracy(row):
    if row is None:
        return "-"
    text = f"{row['accuracy']:.4f}"
    if row["seeds"] > 1:
        low, high = min(row["accuracies"]), max(row["accuracies"])
        text += f" ({low:.4f}-{high:.4f})"
    return text


def _points(after, before):
    """The difference of two rows, in points, with its sign."""
    if after is None or before is None:
        return "-"
    return f"{100 * (after['accuracy'] - before['accuracy']):+.2f}"


def _survey_table(title, rows, file):
    lines = []
    for width in _widths(rows):
        cells = [_find(rows, c, width, file) for c in SURVEY_COLUMNS]
        found = [row for row in cells if row is not None]
        if not found:
            continue
        lines.append(
            [
                f"{width:g}",
                f"{found[0]['num_parameters']:,.0f}",
                f"{found[0]['size_bytes'] / 1024:,.2f}",
                _published(width, file),
                f"{found[0]['latency_ms']:.4f}",
                *map(_accuracy, cells),
            ]
        )
    header = ("width", "parameters", "KB", "KB (survey)", "ms", *SURVEY_COLUMNS)
    return _table(title, header, lines)


def _published(width, file):
    if width not in _SURVEY_INT8_KB:
        return "-"
    kb = _SURVEY_INT8_KB[width]
    if file == _FLOAT:
        return f"about {_SURVEY_SIZE_RATIO * kb:,.0f}"
    return f"{kb:,.2f}"


def _quantization_table(rows):
    lines = []
    for row in rows:
        if row["file"] != _FLOAT:
            continue
        others = [_find(rows, row["column"], row["width"], f) for f in _INTEGER]
        lines.append(
            [
                row["column"],
                f"{row['width']:g}",
                _accuracy(row),
                *(_points(other, row) for other in others),
            ]
        )
    return _table(
        "What integers change, in points",
        ("column", "width", _FLOAT, *_INTEGER),
        lines,
        f"In the survey, {_SURVEY_POINTS}.",
    )


_INTEGER = (PTQ, QAT, INT4_QAT)


def _gains_table(rows):
    lines = []
    for width in _widths(rows):
        for file in (_FLOAT, QAT):
            plain, more, taught = (
                _find(rows, column, width, file) for column in SURVEY_COLUMNS
            )
            gains = (_points(more, plain), _points(taught, more))
            lines.append([f"{width:g}", file, *gains])
    header = ("width", "file", "augmentation", "distillation, on top")
    return _table("What augmentation and distillation gain", header, lines)


def _sizes_table(sizes):
    lines = [
        [
            f"{row.width:g}",
            f"{row.num_parameters:,}",
            f"{row.float_bytes / 1024:,.2f}",
            _published(row.width, _FLOAT),
            f"{row.int8_bytes / 1024:,.2f}",
            _published(row.width, QAT),
        ]
        for row in sizes
    ]
    header = ("width", "parameters", "float KB", "float KB (survey)")
    header += ("int8 KB", "int8 KB (survey)")
    return _table(
        "Sizes of all widths",
        header,
        lines,
        "KB are 1,024 bytes. The float sizes of the survey are four times its "
        "int8 ones, the ratio that it tells.",
    )


def _all_files_table(rows):
    lines = [
        [
            row["column"],
            f"{row['width']:g}",
            row["file"],
            f"{row['num_parameters']:,.0f}",
            _accuracy(row),
            f"{row['size_bytes']:,.0f}",
            f"{row['gzip_bytes']:,.0f}",
            f"{row['latency_ms']:.4f}",
        ]
        for row in rows
    ]
    header = ("column", "width", "file", "parameters", "accuracy")
    header += ("bytes", "gzip", "ms")
    return _table("All files", header, lines)


def _split(rows):
    """Rows of the survey's kind, and those beyond it by their column."""
    family = [row for row in rows if row["column"] in SURVEY_COLUMNS]
    beyond = {
        column: [row for row in rows if row["column"] == column]
        for column in COLUMNS
        if column not in SURVEY_COLUMNS
    }
    return family, {key: found for key, found in beyond.items() if found}


def _strategies(rows):
    family, beyond = _split(rows)
    others = [row for found in beyond.values() for row in found]
    front = pareto_front(family).rows
    text = ["## Strategies"]
    for place, before, after in (
        ("in the survey's family, from its baseline", _plain(rows), family),
        ("beyond it, from its frontier", front, others),
    ):
        for title, strategy in _STRATEGIES.items():
            exchanges = strategy(before, after)
            lines = [f"- {exchange}" for exchange in exchanges] or ["- none"]
            count = f"{len(exchanges)} of {len(before)} files"
            text += ["", f"### {title}, {place} ({count})", "", *lines]
    return "\n".join(text)


_STRATEGIES = {
    "Shrink and improve": shrink_and_improve,
    "Grow, improve and shrink": grow_improve_shrink,
}


def _plain(rows):
    return [r for r in rows if (r["column"], r["file"]) == ("baseline", _FLOAT)]


def _pictures(rows, folder, suffix):
    family, beyond = _split(rows)
    names = [f"{kind}{suffix}.png" for kind in ("float", "int8", "frontier")]
    for name, file in zip(names, (_FLOAT, QAT), strict=False):
        groups = {
            column: [
                r for r in rows if (r["column"], r["file"]) == (column, file)
            ]
            for column in COLUMNS
        }
        groups = {column: found for column, found in groups.items() if found}
        save_families(groups, folder / name)
    save_frontier(family, beyond, folder / names[-1])
    return "\n\n".join(["## Pictures", *(f"![]({name})" for name in names)])
