"""Channels removed, then pruned and quantized, each with fine-tuning.

One network on MNIST-5k goes through the steps in turn. Each row is its int8
file, of post-training quantization or of training that is aware of it: what
share of the outputs on the test images has the class that the Keras model
gives, with XNNPACK and with the builtin kernels.

    python -m benchmarks.channels.channels_composition
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
from benchmarks.channels import channels
from benchmarks.support.data import mnist5k
from keras_eff.callbacks import PruningScheduler
from keras_eff.schedules import PolynomialDecay

FLAGS = flags.FLAGS
flags.DEFINE_integer("seed", 0, "Seed of weights and batches.")
flags.DEFINE_integer("aware_epochs", 3, "Epochs of quantization-aware training")

_COLUMNS = (
    *("network", "zeros", "bytes", "gzip", "float tensors", "partitions"),
    *("agreement, XNNPACK", "agreement, builtin", "accuracy"),
)


def pruned(model, data):
    steps = FLAGS.tune_epochs * -(-len(data[1]) // 64)
    schedule = PolynomialDecay(0.0, 0.8, 0, steps * 2 // 3)
    model = keras_eff.prune(model, schedule)
    callbacks = [PruningScheduler(interval=1)]
    return channels.fit(model, data, FLAGS.tune_epochs, 1e-3, callbacks)


def quantized(model, data, epochs):
    model = keras_eff.quantize(model, input_range=(0.0, 1.0))
    keras_eff.calibrate(model, data[0][:500])
    return channels.fit(model, data, epochs, 3e-4) if epochs else model


def row(name, model, test, folder):
    images, labels = test
    path = folder / "model.tflite"
    report = keras_eff.export.to_tflite(model, path, samples=images[:64])
    done = keras_eff.export.execute(path, [images])
    classes = model.predict(images, verbose=0).argmax(-1)
    found = [outputs[0].argmax(-1) for outputs in (done.delegate, done.builtin)]
    cells = [
        name,
        f"{keras_eff.sparsity(model).total.sparsity:.2f}",
        f"{report.size_bytes:,}",
        f"{report.gzip_bytes:,}",
        str(len(report.float_tensors)),
        str(report.delegate_partitions),
        *(f"{np.mean(each == classes):.4f}" for each in found),
        f"{np.mean(found[0] == labels):.3f}",
    ]
    print("| " + " | ".join(cells) + " |", flush=True)


def main(_):
    data, _, test = mnist5k()
    keras.utils.set_random_seed(FLAGS.seed)
    whole = channels.fit(
        channels.build(data[0].shape[1:]), data, FLAGS.epochs, 3e-3
    )
    smaller = channels.removed_and_tuned(whole, data)
    networks = {
        "whole": whole,
        "half of the channels": smaller,
        "and 80 % of their weights zero": pruned(smaller, data),
    }
    print("| " + " | ".join(_COLUMNS) + " |\n" + "|---" * len(_COLUMNS) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for name, model in networks.items():
            for kind, epochs in (("PTQ", 0), ("QAT", FLAGS.aware_epochs)):
                integer = quantized(model, data, epochs)
                row(f"{name}, {kind}", integer, test, pathlib.Path(folder))


if __name__ == "__main__":
    app.run(main)
