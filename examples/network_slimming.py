"""Network slimming: the network learns which of its channels it can spare.

Trains a residual network with an L1 penalty on the scales of its batch
normalizations, which pushes those of needless channels to zero; removes the
channels of the smallest scales, over all layers; fine-tunes what is left; and
writes both networks as int8 files, whose accuracy, size and latency it prints.
What was removed is in the plan, which is printed before anything is cut.

    python examples/network_slimming.py
    python examples/network_slimming.py --dataset=cifar10 --sparsity=0.6

Reference: Liu et al., 2017 (arXiv:1708.06519).
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
from support.training import Schedule
from support.training import train

_DATASET = flags.DEFINE_string(
    "dataset", image_data.MNIST_5K, "mnist_5k, or a tensorflow-datasets name."
)
_TRAIN_SIZE = flags.DEFINE_integer("train_size", None, "Training images.", 1)
_SPARSITY = flags.DEFINE_float("sparsity", 0.5, "Channels to remove.", 0, 0.99)
_PENALTY = flags.DEFINE_float("penalty", 1e-3, "L1, on each scale.", 0)
_EPOCHS = flags.DEFINE_integer("epochs", 10, "Epochs of training.", 1)
_TUNE_EPOCHS = flags.DEFINE_integer("tune_epochs", 5, "Of fine-tuning.", 1)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of weights and batches.")
_OUT_DIR = flags.DEFINE_string("out_dir", "slimming_files", "Where to write.")


def _convolution(x, filters, strides=1):
    x = keras.layers.Conv2D(
        filters, 3, strides, padding="same", use_bias=False
    )(x)
    penalty = keras.regularizers.L1(_PENALTY.value)
    return keras.layers.BatchNormalization(gamma_regularizer=penalty)(x)


def build(data):
    """Three residual blocks, each of half the height and width before it."""
    inputs = keras.Input(data.train[0].shape[1:])
    x = keras.layers.Rescaling(1 / 127.5, -1.0)(inputs)
    for filters in (16, 32, 64):
        x = keras.layers.ReLU()(_convolution(x, filters, 2))
        y = keras.layers.ReLU()(_convolution(x, filters))
        y = _convolution(y, filters)
        x = keras.layers.ReLU()(keras.layers.Add()([x, y]))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(data.num_classes)(x))


def ship(name, model, data, folder):
    path = folder / f"{name}.tflite"
    keras_eff.export.to_tflite(model, path, "int8", data.train[0][:512])
    return measure_file(name, path, *data.test)


def main(_):
    keras.utils.set_random_seed(_SEED.value)
    folder = pathlib.Path(_OUT_DIR.value)
    folder.mkdir(parents=True, exist_ok=True)
    data = image_data.load_images(_DATASET.value, _TRAIN_SIZE.value)
    model = build(data)
    train(model, data, _EPOCHS.value, Schedule(3e-3, 64), verbose=2)
    plan = keras_eff.plan_channels(
        model, _SPARSITY.value, saliency="bn_scale", scope="global"
    )
    print(f"\n{plan}\n")
    smaller = plan.remove()
    train(smaller, data, _TUNE_EPOCHS.value, Schedule(1e-3, 64), verbose=2)
    rows = [
        ship("whole", model, data, folder),
        ship("slim", smaller, data, folder),
    ]
    print(f"\nThe int8 files on the test images:\n{format_table(rows)}")


if __name__ == "__main__":
    app.run(main)
