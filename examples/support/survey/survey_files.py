"""The files of the survey's experiment: made, run on images, and timed."""

import dataclasses
import math
import pathlib
import statistics
from collections.abc import Callable
from collections.abc import Mapping

import numpy as np

import keras_eff
from keras_eff.export import to_tflite

from ..file_figures import accuracy_of
from ..row_file import RowFile
from .survey_columns import INT4_QAT
from .survey_columns import Lab
from .survey_family import WIDTHS
from .survey_family import build


@dataclasses.dataclass(frozen=True)
class FileRow:
    """The figures of a file that do not depend on the machine.

    Attributes:
        column: String, how the network was made.
        width: Float, its multiplier.
        seed: Integer.
        file: String, "float32", or how it was quantized.
        num_parameters: Integer, of the float network.
        accuracy: Float in [0, 1], of the file on the test images.
        size_bytes: Integer.
        gzip_bytes: Integer, after gzip.
    """

    column: str
    width: float
    seed: int
    file: str
    num_parameters: int
    accuracy: float
    size_bytes: int
    gzip_bytes: int

    @property
    def name(self) -> str:
        """That of the file."""
        words = (self.column, f"{self.width:g}", str(self.seed), self.file)
        return "_".join(words).replace(" ", "_") + ".tflite"


@dataclasses.dataclass(frozen=True)
class SizeRow:
    """Sizes of the files of an untrained network, in bytes."""

    width: float
    num_parameters: int
    float_bytes: int
    int8_bytes: int


@dataclasses.dataclass(frozen=True)
class LatencyRow:
    """The median time of a file for one image, in milliseconds."""

    name: str
    device: str | None
    median_ms: float


def make_file(
    lab: Lab,
    folder: pathlib.Path,
    column: str,
    width: float,
    seed: int,
    file: str,
) -> FileRow:
    """Trains what is missing, writes the file and runs it."""
    model = trained = lab.trained(column, width, seed)
    if file != "float32":
        model = lab.quantized(column, width, seed, file)
    row = FileRow(column, width, seed, file, _num_parameters(trained), 0, 0, 0)
    path = folder / row.name
    packing = "int4" if file == INT4_QAT else None
    report = to_tflite(model, path, packing, lab.samples)
    return dataclasses.replace(
        row,
        accuracy=accuracy_of(path, *lab.data.test),
        size_bytes=report.size_bytes,
        gzip_bytes=report.gzip_bytes,
    )


def _num_parameters(model):
    """All but masks, which say what is zero."""
    shapes = [w.shape for w in model.weights if w.dtype != "bool"]
    return sum(map(math.prod, shapes))


def make_sizes(folder: pathlib.Path, rows: RowFile) -> None:
    """Writes files of all widths: their sizes need no training."""
    images = np.random.default_rng(0).uniform(0, 255, (64, 32, 32, 3))
    images = images.astype("float32")
    for width in WIDTHS:
        if rows.has(width=width):
            continue
        model = build(width)
        path = folder / "untrained.tflite"
        # Outputs of untrained networks are too alike to compare.
        unjudged = {"tolerance": np.inf, "min_agreement": 0.0}
        sizes = [
            to_tflite(model, path, kind, images, **unjudged).size_bytes
            for kind in (None, "int8")
        ]
        rows.add(SizeRow(width, model.count_params(), *sizes))
        path.unlink()


def time_files(
    folder: pathlib.Path,
    names: list[str],
    rows: RowFile,
    runners: Mapping[str | None, Callable | None],
    rounds: int,
) -> None:
    """Times the files that have no time yet, in turns, on each device."""
    for device, runner in runners.items():
        missing = [n for n in names if not rows.has(name=n, device=device)]
        times = {name: [] for name in missing}
        for turn in range(rounds):
            print(f"Timing {len(missing)} files, {turn + 1} of {rounds}")
            for name in missing:
                measured = keras_eff.latency.measure(
                    folder / name, runner=runner
                )
                times[name].append(measured.median_ms)
        for name in missing:
            median = statistics.median(times[name])
            rows.add(LatencyRow(name, device, median))
