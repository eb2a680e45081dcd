"""Rows of figures of text classifiers' files."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from ..file_figures import FileFigures
from ..file_figures import format_table


@dataclasses.dataclass(frozen=True)
class TextRow:
    """The figures of one file of a model trained with one seed.

    Attributes:
        model: String, name of the model.
        file: String, "float32" or "int8".
        seed: Integer.
        accuracy: Float in [0, 1], on the test texts.
        size_bytes: Integer, its size in bytes.
        gzip_bytes: Integer, its size after gzip, in bytes.
        latency_ms: Float, median time for one text, in milliseconds.
        train_seconds: Float, duration of the training that made it: for
            "int8" that after the float one.
        float_tensors: Integer, number of tensors in float.
    """

    model: str
    file: str
    seed: int
    accuracy: float
    size_bytes: int
    gzip_bytes: int
    latency_ms: float
    train_seconds: float
    float_tensors: int


def mean_figures(rows: Sequence[TextRow]) -> list[FileFigures]:
    """The figures of each file, means over its seeds."""
    return [_mean(group) for group in _by_file(rows)]


def format_rows(rows: Sequence[TextRow]) -> str:
    """A table of means over seeds, a line for each file."""
    groups = _by_file(rows)
    columns = {
        "train s": [f"{_average(g, 'train_seconds'):.0f}" for g in groups],
        "float tensors": [str(g[0].float_tensors) for g in groups],
        "seeds": [str(len(g)) for g in groups],
        "accuracies": [_range([row.accuracy for row in g]) for g in groups],
    }
    return format_table(mean_figures(rows), columns)


def _by_file(rows):
    def key(row):
        return row.model, row.file

    order = {key(row): index for index, row in enumerate(reversed(rows))}
    ordered = sorted(rows, key=lambda row: -order[key(row)])
    return [list(group) for _, group in itertools.groupby(ordered, key)]


def _mean(group):
    return FileFigures(
        name=f"{group[0].model} {group[0].file}",
        accuracy=_average(group, "accuracy"),
        size_bytes=round(_average(group, "size_bytes")),
        gzip_bytes=round(_average(group, "gzip_bytes")),
        latency_ms=_average(group, "latency_ms"),
    )


def _average(group, name):
    return float(np.mean([getattr(row, name) for row in group]))


def _range(values):
    return f"{min(values):.3f}-{max(values):.3f}"
