"""Trains, quantizes, exports and measures a small image classifier.

It trains a convnet, then makes files of it: float, and for each of
`--num_bits` two with integer weights, one quantized after training (PTQ), one
trained a little more as a quantized model (QAT). It runs every file on the test
images and times it, prints the figures of all files as a table and saves them
as a picture, `pareto.png`, beside the files in `--out_dir`.

    python examples/quickstart.py
    python examples/quickstart.py --dataset=cifar10 --epochs=30
"""

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from absl import app
from absl import flags

import keras_eff
from support import image_data
from support.file_figures import format_table
from support.file_figures import measure_file
from support.pareto_plot import save_pareto_plot
from support.training import Schedule
from support.training import train

_DATASET = flags.DEFINE_string(
    "dataset", image_data.MNIST_5K, "mnist_5k, or a tensorflow-datasets name."
)
_TRAIN_SIZE = flags.DEFINE_integer(
    "train_size", None, "Training images to keep; all by default.", 1
)
_EPOCHS = flags.DEFINE_integer("epochs", 15, "Epochs of the float model.", 1)
_QAT_EPOCHS = flags.DEFINE_integer("qat_epochs", 6, "Epochs of QAT, after.", 1)
_NUM_BITS = flags.DEFINE_multi_integer(
    "num_bits", [8, 4, 2], "Width of the weights; repeat it for several.", 2, 8
)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of weights and batches.")
_OUT_DIR = flags.DEFINE_string("out_dir", "quickstart_files", "Where to write.")


def build_convnet(data):
    layers = [keras.Input(data.train[0].shape[1:])]
    for filters in (16, 32, 64):
        layers += [
            keras.layers.Conv2D(filters, 3, padding="same", use_bias=False),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
            keras.layers.MaxPooling2D(),
        ]
    layers[-1] = keras.layers.GlobalAveragePooling2D()
    return keras.Sequential([*layers, keras.layers.Dense(data.num_classes)])


def named_models(data):
    """Yields each model with its name, as soon as it is ready."""
    convnet = train(build_convnet(data), data, _EPOCHS.value, Schedule(1e-2))
    yield "float32", convnet
    for num_bits in _NUM_BITS.value:
        quantized = keras_eff.quantize(convnet, num_bits, input_range=(0, 255))
        keras_eff.calibrate(quantized, data.train[0][:512])
        yield f"{num_bits}-bit PTQ", quantized
        print(f"\n{num_bits}-bit QAT")
        train(quantized, data, _QAT_EPOCHS.value, Schedule(3e-3))
        yield f"{num_bits}-bit QAT", quantized


def main(_):
    keras.utils.set_random_seed(_SEED.value)
    data = image_data.load_images(_DATASET.value, _TRAIN_SIZE.value)
    folder = pathlib.Path(_OUT_DIR.value)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, model in named_models(data):
        path = folder / f"{name.lower().replace(' ', '_')}.tflite"
        keras_eff.export.to_tflite(model, path, samples=data.train[0][:64])
        rows.append(measure_file(name, path, *data.test))
    print(f"\n{_DATASET.value}, {len(data.test[0])} test images, 1 thread")
    print(f"{format_table(rows)}\nQAT: {_QAT_EPOCHS.value} epochs more.")
    save_pareto_plot(rows, folder / "pareto.png")
    print(f"Files and picture: {folder}")


if __name__ == "__main__":
    app.run(main)
