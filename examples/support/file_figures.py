"""What a file is worth: accuracy, size and latency of the file itself."""

import dataclasses
import os
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

import keras_eff

_RUNS = 5000
_HEADER = ("file", "accuracy", "bytes", "gzip", "ms")
_WIDTHS = (16, 8, 9, 9, 8)


@dataclasses.dataclass(frozen=True)
class FileFigures:
    """The figures of one file.

    Attributes:
        name: String, what the tables and pictures call it.
        accuracy: Float in [0, 1], share of the samples that the file gets
            right.
        size_bytes: Integer, its size in bytes.
        gzip_bytes: Integer, its size after gzip, in bytes.
        latency_ms: Float, median time for one sample, in milliseconds.
    """

    name: str
    accuracy: float
    size_bytes: int
    gzip_bytes: int
    latency_ms: float


def accuracy_of(
    path: str | os.PathLike, samples: np.ndarray, labels: np.ndarray
) -> float:
    """Share of the samples that a classifier's file gets right."""
    outputs = keras_eff.export.execute(path, [samples]).delegate[0]
    return float(np.mean(np.argmax(outputs, axis=-1) == labels))


def measure_file(
    name: str,
    path: str | os.PathLike,
    samples: np.ndarray,
    labels: np.ndarray,
    num_runs: int = _RUNS,
) -> FileFigures:
    """Runs a classifier's file on samples with labels, and times it."""
    contents = keras_eff.export.inspect(path)
    latency = keras_eff.latency.measure(path, num_runs=num_runs)
    return FileFigures(
        name=name,
        accuracy=accuracy_of(path, samples, labels),
        size_bytes=contents.size_bytes,
        gzip_bytes=contents.gzip_bytes,
        latency_ms=latency.median_ms,
    )


def format_table(
    rows: Sequence[FileFigures],
    columns: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """The figures as a table, one line for each file.

    `columns` has more columns: the strings for each file, by their header.
    """
    columns = columns or {}
    more = zip(*columns.values(), strict=True) if columns else [()] * len(rows)
    table = [
        (*_HEADER, *columns),
        *((*_cells(row), *rest) for row, rest in zip(rows, more, strict=True)),
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    floors = (*_WIDTHS, *[0] * len(columns))
    widths = [max(pair) for pair in zip(widths, floors, strict=True)]
    return "\n".join(_line(cells, widths) for cells in table)


def _cells(row):
    return (
        row.name,
        f"{row.accuracy:.3f}",
        f"{row.size_bytes:,}",
        f"{row.gzip_bytes:,}",
        f"{row.latency_ms:.4f}",
    )


def _line(cells, widths):
    name, *numbers = cells
    aligned = zip(numbers, widths[1:], strict=True)
    return " ".join(
        [name.ljust(widths[0]), *(cell.rjust(width) for cell, width in aligned)]
    )
