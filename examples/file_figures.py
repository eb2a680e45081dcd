"""What a file is worth: accuracy, size and latency of the file itself."""

import dataclasses
import os
from collections.abc import Iterable

import numpy as np

import keras_eff

_RUNS = 5000
_HEADER = ("file", "accuracy", "bytes", "gzip", "ms")
_LINE = "{:<16} {:>8} {:>9} {:>9} {:>8}"


@dataclasses.dataclass(frozen=True)
class FileFigures:
    """The figures of one file.

    Attributes:
        name: String, what the tables and pictures call it.
        accuracy: Float in [0, 1], share of the images that the file gets right.
        size_bytes: Integer, its size in bytes.
        gzip_bytes: Integer, its size after gzip, in bytes.
        latency_ms: Float, median time for one image, in milliseconds.
    """

    name: str
    accuracy: float
    size_bytes: int
    gzip_bytes: int
    latency_ms: float


def measure_file(
    name: str,
    path: str | os.PathLike,
    images: np.ndarray,
    labels: np.ndarray,
) -> FileFigures:
    """Runs a classifier's file on images with labels, and times it."""
    outputs = keras_eff.export.execute(path, [images]).delegate[0]
    contents = keras_eff.export.inspect(path)
    latency = keras_eff.latency.measure(path, num_runs=_RUNS)
    return FileFigures(
        name=name,
        accuracy=float(np.mean(np.argmax(outputs, axis=-1) == labels)),
        size_bytes=contents.size_bytes,
        gzip_bytes=contents.gzip_bytes,
        latency_ms=latency.median_ms,
    )


def format_table(rows: Iterable[FileFigures]) -> str:
    """The figures as a table, one line for each file."""
    return "\n".join([_LINE.format(*_HEADER), *map(_format_row, rows)])


def _format_row(row):
    return _LINE.format(
        row.name,
        f"{row.accuracy:.3f}",
        f"{row.size_bytes:,}",
        f"{row.gzip_bytes:,}",
        f"{row.latency_ms:.4f}",
    )
