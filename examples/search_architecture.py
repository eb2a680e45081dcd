"""Searches for image classifiers that are fast on this machine, and ships them.

keras-tuner chooses width, depth and blocks. A model that would be too slow in
8-bit integers fails before it is trained (`--max_latency_ms`), and one that
learns worse than most is stopped (`MedianStopping`). The front of the search,
those that no other beats in accuracy, latency and size at once, is quantized,
written and measured on the test images: a table, and a picture, `front.png`, in
`--out_dir`. An interrupted search goes on where it was.

    python examples/search_architecture.py
    python examples/search_architecture.py --dataset=cifar10 --max_trials=60
"""

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import image_data
import keras
import keras_tuner
from absl import app
from absl import flags
from file_figures import format_table
from file_figures import measure_file

import keras_eff
from keras_eff.tuning import spaces

_DATASET = flags.DEFINE_string(
    "dataset", image_data.MNIST_5K, "mnist_5k, or a tensorflow-datasets name."
)
_TRAIN_SIZE = flags.DEFINE_integer(
    "train_size", None, "Training images to keep; all by default.", 1
)
_EPOCHS = flags.DEFINE_integer("epochs", 8, "Epochs of a trial.", 1)
_MAX_TRIALS = flags.DEFINE_integer("max_trials", 20, "Trials.", 1)
_MAX_LATENCY_MS = flags.DEFINE_float(
    "max_latency_ms", 0.05, "Latency of the int8 file that ships, in ms.", 0.0
)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the search.")
_OUT_DIR = flags.DEFINE_string("out_dir", "search_files", "Where to write.")


class Classifiers(keras_tuner.HyperModel):
    """Convolutional networks of three stages."""

    def __init__(self, data):
        super().__init__()
        self.data = data

    def build(self, hp):
        inputs = keras.Input(self.data.train[0].shape[1:])
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
        model = keras.Model(
            inputs, keras.layers.Dense(self.data.num_classes)(x)
        )
        rate = hp.Float("learning_rate", 1e-3, 1e-2, sampling="log")
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
        return model

    def fit(self, hp, model, *args, **kwargs):
        cost = keras_eff.tuning.measure_trial(
            model,
            self.data.train[0],
            quantize="int8",
            max_latency_ms=_MAX_LATENCY_MS.value,
        )
        history = model.fit(*args, **kwargs).history
        return {"val_accuracy": max(history["val_accuracy"]), **cost}


def search(data, folder):
    tuner = keras_tuner.BayesianOptimization(
        Classifiers(data),
        objective=keras_tuner.Objective("val_accuracy", "max"),
        max_trials=_MAX_TRIALS.value,
        max_consecutive_failed_trials=_MAX_TRIALS.value,
        seed=_SEED.value,
        directory=folder,
        project_name="search",
    )
    tuner.search(
        *data.train,
        batch_size=64,
        epochs=_EPOCHS.value,
        validation_data=data.validation,
        callbacks=[keras_eff.callbacks.MedianStopping(tuner)],
        verbose=0,
    )
    return tuner


def ship(tuner, trial_id, data, folder):
    """Writes the int8 file of a trial's best epoch, and measures it."""
    model = tuner.load_model(tuner.oracle.get_trial(trial_id))
    path = folder / f"trial_{trial_id}.tflite"
    keras_eff.export.to_tflite(model, path, "int8", data.train[0][:512])
    return measure_file(path.stem, path, *data.test)


def main(_):
    keras.utils.set_random_seed(_SEED.value)
    folder = pathlib.Path(_OUT_DIR.value)
    folder.mkdir(parents=True, exist_ok=True)
    data = image_data.load_images(_DATASET.value, _TRAIN_SIZE.value)
    tuner = search(data, folder)
    front = keras_eff.tuning.pareto_front(
        tuner,
        maximize=("val_accuracy",),
        minimize=("latency_ms", "size_bytes"),
    )
    print(front)
    keras_eff.tuning.plot_pareto(
        front, x="latency_ms", y="val_accuracy", path=folder / "front.png"
    )
    rows = [ship(tuner, row["trial_id"], data, folder) for row in front.rows]
    print(f"\nThe int8 files on the test images:\n{format_table(rows)}")


if __name__ == "__main__":
    app.run(main)
