"""Trains text classifiers, and measures the files that they become.

PRADO, pQRNN, ProFormer and SGNN read words or characters through projections,
without a vocabulary; the baselines embed the 20,000 most frequent words. By
default they tell the language of a line. Each becomes a float32 file; those
without a vocabulary an int8 file too, after some epochs of quantization-aware
training. Every file is run on the whole test set and timed.

    python examples/text_classification.py
    python examples/text_classification.py --models=prado,lstm --seeds=0,1,2
    python examples/text_classification.py --tfds=imdb_reviews --max_words=128

The row of a file is added to `rows.jsonl` in `--output` once it is measured;
started again, the script makes those that are missing. The picture of all of
them is `pareto.png`.
"""

import dataclasses
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from absl import app
from absl import flags

import keras_eff
from support.file_figures import measure_file
from support.pareto_plot import save_pareto_plot
from support.row_file import RowFile
from support.row_file import settle
from support.text.text_data import load_texts
from support.text.text_models import MODELS
from support.text.text_models import front_ends
from support.text.text_rows import TextRow
from support.text.text_rows import format_rows
from support.text.text_rows import mean_figures

_MODELS = flags.DEFINE_list("models", list(MODELS), "Which models to train.")
_TFDS = flags.DEFINE_string("tfds", None, "A set of tensorflow-datasets.")
_CSV = flags.DEFINE_string("csv", None, "A CSV file of texts and labels.")
_EPOCHS = flags.DEFINE_integer("epochs", 30, "Most epochs in float.", 1)
_QAT_EPOCHS = flags.DEFINE_integer("qat_epochs", 5, "Epochs of QAT, after.", 1)
_TRAIN_SIZE = flags.DEFINE_integer(
    "train_size", None, "Training texts to keep; all by default.", 1
)
_SEEDS = flags.DEFINE_list("seeds", ["0"], "Seeds of weights and batches.")
_OUTPUT = flags.DEFINE_string(
    "output", "text_classification_files", "Folder to write in."
)
_MAX_WORDS = flags.DEFINE_integer("max_words", 32, "Words kept of a text.", 1)
_MAX_CHARACTERS = flags.DEFINE_integer(
    "max_characters", 16, "Characters kept of a word.", 1
)
flags.register_validator(
    "models",
    lambda names: set(names) <= set(MODELS),
    f"must be among {', '.join(MODELS)}",
)
flags.register_validator(
    "seeds", lambda seeds: all(map(str.isdecimal, seeds)), "must be integers"
)

_SETTINGS = (
    *(_TFDS, _CSV, _EPOCHS, _QAT_EPOCHS),
    *(_TRAIN_SIZE, _MAX_WORDS, _MAX_CHARACTERS),
)
_BATCH, _PATIENCE = 64, 5
_RATE, _QAT_RATE = 1e-3, 3e-4
_SAMPLES = 256
_RUNS = 1000


def train(model, splits, epochs, learning_rate):
    """Trains, keeps the epoch best in validation, returns the seconds."""
    start = time.perf_counter()
    best = keras.callbacks.EarlyStopping(
        "val_accuracy", patience=_PATIENCE, restore_best_weights=True
    )
    model.compile(
        keras.optimizers.Adam(learning_rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        # XLA takes a minute to compile a quantized pQRNN, and saves no time.
        jit_compile=False,
    )
    held_out = {"validation_data": splits["validation"], "callbacks": [best]}
    model.fit(*splits["train"], _BATCH, epochs, verbose=2, **held_out)
    return time.perf_counter() - start


@dataclasses.dataclass(frozen=True)
class Run:
    """One model with one seed, on (inputs, labels) by the split's name."""

    name: str
    seed: int
    splits: dict
    rows: RowFile

    def train_float(self, model):
        print(f"\n{self.name}, seed {self.seed}")
        seconds = train(model, self.splits, _EPOCHS.value, _RATE)
        model.save_weights(self._path("float32", "weights.h5"))
        self._add_row(model, "float32", seconds)

    def load_float(self, model):
        model.load_weights(self._path("float32", "weights.h5"))

    def train_int8(self, model):
        print(f"\n{self.name}, seed {self.seed}, quantization-aware")
        # What a run that begins here draws, too.
        keras.utils.set_random_seed(self.seed)
        quantized = keras_eff.quantize(model)
        keras_eff.calibrate(quantized, self._samples)
        seconds = train(quantized, self.splits, _QAT_EPOCHS.value, _QAT_RATE)
        self._add_row(quantized, "int8", seconds)

    @property
    def _samples(self):
        return self.splits["train"][0][:_SAMPLES]

    def _path(self, file, suffix):
        name = f"{self.name}_{self.seed}_{file}.{suffix}"
        return pathlib.Path(_OUTPUT.value) / name

    def _add_row(self, model, file, seconds):
        path = self._path(file, "tflite")
        report = keras_eff.export.to_tflite(model, path, samples=self._samples)
        print(report, flush=True)
        name = f"{self.name} {file}"
        figures = measure_file(name, path, *self.splits["test"], _RUNS)
        row = TextRow(
            model=self.name,
            file=file,
            seed=self.seed,
            accuracy=figures.accuracy,
            size_bytes=figures.size_bytes,
            gzip_bytes=figures.gzip_bytes,
            latency_ms=figures.latency_ms,
            train_seconds=seconds,
            float_tensors=len(report.float_tensors),
        )
        self.rows.add(row)


def make_files(name, seed, front_end, data, rows):
    """Trains a model, and makes those of its files that have no row yet."""
    files = ["float32", "int8"] if MODELS[name].has_int8 else ["float32"]
    missing = [
        file for file in files if not rows.has(model=name, file=file, seed=seed)
    ]
    if not missing:
        return
    splits = {
        part: (front_end(texts), labels)
        for part, (texts, labels) in data.splits.items()
    }
    keras.utils.set_random_seed(seed)
    model = MODELS[name].build(len(data.class_names), front_end)
    run = Run(name, seed, splits, rows)
    (run.train_float if "float32" in missing else run.load_float)(model)
    if "int8" in missing:
        run.train_int8(model)


def show(data, rows, picture):
    """Prints the table of all files, and saves the picture."""
    print(
        f"\n{_TFDS.value or _CSV.value or 'chatterbot-corpus'}: "
        f"{len(data.train[0])} training and {len(data.test[0])} test texts, "
        f"{len(data.class_names)} classes, 1 thread\n{format_rows(rows)}"
    )
    save_pareto_plot(mean_figures(rows), picture, "text")
    print(f"Files and picture: {picture.parent}")


def main(_):
    folder = pathlib.Path(_OUTPUT.value)
    settle(folder, {flag.name: flag.value for flag in _SETTINGS})
    rows = RowFile(folder / "rows.jsonl", TextRow)
    data = load_texts(_TFDS.value, _CSV.value, _TRAIN_SIZE.value)
    fronts = front_ends(data.train[0], _MAX_WORDS.value, _MAX_CHARACTERS.value)
    for seed in map(int, _SEEDS.value):
        for name in _MODELS.value:
            front_end = fronts[MODELS[name].reads]
            make_files(name, seed, front_end, data, rows)
    show(data, rows.rows(), folder / "pareto.png")


if __name__ == "__main__":
    app.run(main)
