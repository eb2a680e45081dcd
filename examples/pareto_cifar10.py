"""The survey's experiment on CIFAR-10, done again, and its frontier passed.

A family of convolutional networks of several widths, each plain, trained on
augmented images, and taught by a wider network; then what keras_eff adds. Of
each it makes a float file and integer files, by quantization after training
(PTQ) and aware of it (QAT), runs them on the test images and times them. Epochs
are chosen on validation images. `--out_dir` gets the files, their figures as
JSON lines, a report with pictures; a run that was stopped goes on there.

    python examples/pareto_cifar10.py --train_size=10000 --epochs=10
    python examples/pareto_cifar10.py --dataset=mnist_5k --noflip --widths=0.1

The survey trains on all images for 100 epochs: `--epochs=100`. What runs the
files is chosen as in `keras-eff measure`, by --runner and the options with it.

Reference:
    - [Menghani, 2021](https://arxiv.org/abs/2106.08962), section 4
"""

import math
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Twice as fast on CPUs for which TensorFlow leaves oneDNN off by itself.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import click
import keras
from absl import app
from absl import flags

from keras_eff.command_line.runners import read_runners
from support import image_data
from support.row_file import RowFile
from support.row_file import settle
from support.survey.survey_columns import COLUMNS
from support.survey.survey_columns import Lab
from support.survey.survey_family import WIDTHS
from support.survey.survey_files import FileRow
from support.survey.survey_files import LatencyRow
from support.survey.survey_files import SizeRow
from support.survey.survey_files import make_file
from support.survey.survey_files import make_sizes
from support.survey.survey_files import time_files
from support.survey.survey_report import write_report


def _is_width(text):
    try:
        return 0.01 <= float(text) < math.inf
    except ValueError:
        return False


_DATASET = flags.DEFINE_string(
    "dataset", "cifar10", "A tensorflow-datasets name, or mnist_5k."
)
_TRAIN_SIZE = flags.DEFINE_integer(
    "train_size", None, "Training images to keep; all by default.", 1
)
_EPOCHS = flags.DEFINE_integer("epochs", 30, "Of networks made anew.", 1)
_TUNE_EPOCHS = flags.DEFINE_integer(
    "tune_epochs", None, "After pruning; by default half of --epochs.", 1
)
_QAT_EPOCHS = flags.DEFINE_integer(
    "qat_epochs", None, "Of QAT; by default a fifth of --epochs.", 1
)
_TEACHER_EPOCHS = flags.DEFINE_integer("teacher_epochs", 24, "Of it.", 1)
_FLIP = flags.DEFINE_bool("flip", True, "Whether to mirror images, or not.")
_WIDTHS = flags.DEFINE_list("widths", [str(w) for w in WIDTHS], "Multipliers.")
_COLUMNS = flags.DEFINE_list("columns", list(COLUMNS), "What to make of each.")
_SEEDS = flags.DEFINE_list("seeds", ["0"], "Seeds of weights and batches.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Of timing all files in turns.", 1)
_OUT_DIR = flags.DEFINE_string("out_dir", "pareto_files", "Where to write.")
flags.register_validator(
    "columns",
    lambda names: set(names) <= set(COLUMNS),
    f"must be some of {', '.join(COLUMNS)}",
)
flags.register_validator(
    "seeds", lambda seeds: all(map(str.isdecimal, seeds)), "must be integers"
)
flags.register_validator(
    "widths",
    lambda widths: all(map(_is_width, widths)),
    "must be numbers of 0.01 or more, such as 0.25",
)
_KEYS = ("column", "width", "seed", "file")


def settings():
    """What makes the rows of two runs comparable."""
    epochs = _EPOCHS.value
    return {
        "dataset": _DATASET.value,
        "train_size": _TRAIN_SIZE.value,
        "epochs": epochs,
        "tune_epochs": _TUNE_EPOCHS.value or max(epochs // 2, 1),
        "qat_epochs": _QAT_EPOCHS.value or max(epochs // 5, 1),
        "teacher_epochs": _TEACHER_EPOCHS.value,
        "flips": _FLIP.value,
    }


def cells():
    """(column, width, seed, file), the survey's columns first."""
    for seed in map(int, _SEEDS.value):
        for name in _COLUMNS.value:
            for width in map(float, _WIDTHS.value):
                for file in COLUMNS[name].files:
                    yield name, width, seed, file


def make_files(folder, rows):
    """Makes the files that have no row yet."""
    run = settings()
    data = image_data.load_images(run.pop("dataset"), run.pop("train_size"))
    models = folder / "models"
    models.mkdir(exist_ok=True)
    lab = Lab(data, models, **run)
    missing = [
        cell
        for cell in cells()
        if not rows.has(**dict(zip(_KEYS, cell, strict=True)))
    ]
    for number, cell in enumerate(missing, 1):
        row = make_file(lab, folder / "files", *cell)
        rows.add(row)
        print(f"\nFile {number} of {len(missing)}: {row}", flush=True)
        keras.backend.clear_session()


def main(arguments):
    try:
        runners = read_runners(arguments[1:])
    except click.UsageError as error:
        raise app.UsageError(error.format_message()) from error
    folder = pathlib.Path(_OUT_DIR.value)
    settle(folder, settings())
    (folder / "files").mkdir(exist_ok=True)
    rows = RowFile(folder / "rows.jsonl", FileRow)
    sizes = RowFile(folder / "sizes.jsonl", SizeRow)
    latencies = RowFile(folder / "latencies.jsonl", LatencyRow)
    make_sizes(folder, sizes)
    make_files(folder, rows)
    files = rows.rows()
    names = [row.name for row in files]
    time_files(folder / "files", names, latencies, runners, _ROUNDS.value)
    for device in runners:
        times = [row for row in latencies.rows() if row.device == device]
        path = write_report(folder, settings(), files, sizes.rows(), times)
        print(f"Report: {path}")


if __name__ == "__main__":
    app.run(main, flags_parser=lambda argv: flags.FLAGS(argv, known_only=True))
