"""What the searches have in common: the models, and the end of a search."""

import pathlib
import sys
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

import keras
from absl import flags

import keras_eff
from keras_eff.tuning import spaces

from . import image_data
from .file_figures import format_table
from .file_figures import measure_file

DATASET = flags.DEFINE_string(
    "dataset", image_data.MNIST_5K, "mnist_5k, or a tensorflow-datasets name."
)
TRAIN_SIZE = flags.DEFINE_integer(
    "train_size", None, "Training images to keep; all by default.", 1
)
EPOCHS = flags.DEFINE_integer("epochs", 8, "Epochs of a trial.", 1)
MAX_TRIALS = flags.DEFINE_integer("max_trials", 20, "Trials.", 1)
MAX_LATENCY_MS = flags.DEFINE_float(
    "max_latency_ms", 0.05, "Latency of the int8 file that ships, in ms.", 0.0
)
SEED = flags.DEFINE_integer("seed", 0, "Seed of the search.")
OUT_DIR = flags.DEFINE_string("out_dir", "search_files", "Where to write.")

BATCH_SIZE = 64
FIRST_EPOCHS = 3
MIN_TRIALS = 5


def build_classifier(hp, data: image_data.ImageData) -> keras.Model:
    """A compiled convolutional network of three stages.

    `hp` is keras-tuner's, or what answers its `Choice` and `Float`.
    """
    inputs = keras.Input(data.train[0].shape[1:])
    x = keras.layers.Rescaling(1 / 127.5, -1.0)(inputs)
    for stage in range(3):
        filters = spaces.width(hp, 16 * 2**stage)
        for block in range(spaces.depth(hp, 1, multipliers=(1.0, 2.0))):
            # Blocks of a stage share their choices.
            name = f"stage_{stage}"
            layer = spaces.convolution(hp, name, filters, 2 - block)
            layer.name = f"{name}_{block}"
            x = layer(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.1)(x)
    model = keras.Model(inputs, keras.layers.Dense(data.num_classes)(x))
    rate = hp.Float("learning_rate", 1e-3, 1e-2, sampling="log")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


def start() -> tuple[image_data.ImageData, pathlib.Path]:
    """Seeds, makes `--out_dir`, and loads the images."""
    keras.utils.set_random_seed(SEED.value)
    folder = pathlib.Path(OUT_DIR.value).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return image_data.load_images(DATASET.value, TRAIN_SIZE.value), folder


def ship_front(
    rows_or_tuner: Iterable[Mapping] | Any,
    load_model: Callable[[Mapping], keras.Model],
    data: image_data.ImageData,
    folder: pathlib.Path,
):
    """Prints and draws the front, and writes and measures its int8 files."""
    front = keras_eff.tuning.pareto_front(
        rows_or_tuner,
        maximize=("val_accuracy",),
        minimize=("latency_ms", "size_bytes"),
    )
    if not front.rows:
        sys.exit(
            "No model was trained: none was within --max_latency_ms="
            f"{MAX_LATENCY_MS.value}, of {front.num_left_out}"
        )
    print(front)
    keras_eff.tuning.plot_pareto(
        front, x="latency_ms", y="val_accuracy", path=folder / "front.png"
    )
    shipped = []
    for row in front.rows:
        path = folder / f"trial_{row['trial_id']}.tflite"
        samples = data.train[0][:512]
        keras_eff.export.to_tflite(load_model(row), path, "int8", samples)
        shipped.append(measure_file(path.stem, path, *data.test))
    print(f"\nThe int8 files on the test images:\n{format_table(shipped)}")
