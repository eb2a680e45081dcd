"""Chooses how the networks of the survey's experiment learn.

Trains one of them with each of a few schedules, changed in one setting at a
time, and prints their accuracies on the validation images: the test images are
not looked at. Rows go to `--out_dir`; a run that was stopped goes on there.

    python examples/tune_survey.py --width=0.1 --epochs=10

It takes hours on a CPU: `nohup nice python ... > log &` leaves the terminal.
"""

import dataclasses
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Twice as fast on CPUs for which TensorFlow leaves oneDNN off by itself.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
from absl import app
from absl import flags

from support import image_data
from support.row_file import RowFile
from support.row_file import settle
from support.survey.survey_columns import COLUMNS
from support.survey.survey_columns import SCHEDULE
from support.survey.survey_columns import Lab
from support.training import Schedule

_WIDTH = flags.DEFINE_float("width", 0.1, "Multiplier of the network.", 0.01)
_COLUMN = flags.DEFINE_enum("column", "baseline", list(COLUMNS), "How.")
_EPOCHS = flags.DEFINE_integer("epochs", 10, "Of each training.", 1)
_TRAIN_SIZE = flags.DEFINE_integer("train_size", None, "All by default.", 1)
_DATASET = flags.DEFINE_string("dataset", "cifar10", "As pareto_cifar10.py's.")
_OUT_DIR = flags.DEFINE_string("out_dir", "tuned_survey", "Where to write.")

_CHANGES = {
    "learning_rate": (2e-3, 1e-2, 2e-2),
    "batch_size": (64, 256),
    "warmup": (0.0,),
    "label_smoothing": (0.05, 0.1),
    "averaging": (0.0, 0.999),
}


@dataclasses.dataclass(frozen=True)
class ScheduleRow:
    """A schedule and what came of it.

    Attributes:
        column: String, of `survey_columns.COLUMNS`.
        width: Float, the network's multiplier.
        schedule: Dict, the fields of a `Schedule`.
        accuracy: Float in [0, 1], on the validation images.
        seconds: Float, of the training in the process that ended it.
    """

    column: str
    width: float
    schedule: dict
    accuracy: float
    seconds: float


def schedules() -> list[Schedule]:
    """That of the experiment, and those that differ from it in one setting."""
    return [
        SCHEDULE,
        *(
            dataclasses.replace(SCHEDULE, **{name: value})
            for name, values in _CHANGES.items()
            for value in values
        ),
    ]


def trained_row(data, folder, schedule) -> ScheduleRow:
    """Trains with a schedule, or goes on where that was stopped."""
    fields = dataclasses.asdict(schedule)
    name = "_".join(f"{value:g}" for value in fields.values())
    place = folder / name
    place.mkdir(exist_ok=True)
    epochs = _EPOCHS.value
    lab = Lab(data, place, epochs, epochs, epochs, schedule=schedule)
    begin = time.perf_counter()
    model = lab.trained(_COLUMN.value, _WIDTH.value, seed=0)
    seconds = time.perf_counter() - begin
    model.compile(metrics=[keras.metrics.SparseCategoricalAccuracy("accuracy")])
    figures = model.evaluate(
        *data.validation, batch_size=256, verbose=0, return_dict=True
    )
    accuracy = figures["accuracy"]
    return ScheduleRow(_COLUMN.value, _WIDTH.value, fields, accuracy, seconds)


def main(_):
    folder = pathlib.Path(_OUT_DIR.value)
    names = ("dataset", "train_size", "epochs")
    settle(folder, {name: flags.FLAGS[name].value for name in names})
    rows = RowFile(folder / "schedules.jsonl", ScheduleRow)
    data = image_data.load_images(_DATASET.value, _TRAIN_SIZE.value)
    place = folder / f"{_COLUMN.value}_{_WIDTH.value:g}"
    place.mkdir(exist_ok=True)
    key = {"column": _COLUMN.value, "width": _WIDTH.value}
    for schedule in schedules():
        if not rows.has(**key, schedule=dataclasses.asdict(schedule)):
            rows.add(trained_row(data, place, schedule))
            keras.backend.clear_session()
    for row in sorted(rows.rows(), key=lambda row: -row.accuracy):
        print(row)


if __name__ == "__main__":
    app.run(main)
