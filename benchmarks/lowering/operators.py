"""What each rewrite of an integer operation saves: latency without and with.

One operation between two 1x1 convolutions on a 32x32x64 tensor, converted
without its rule and with it; the two files take turns.
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
from keras import ops

import keras_eff
from keras_eff.export.conversion import convert
from keras_eff.lowering.lowering import Lowering
from keras_eff.lowering.rules import RULES
from keras_eff.tflite.model_file import rewrite
from keras_eff.tflite.strip_metadata import strip_metadata

FLAGS = flags.FLAGS
flags.DEFINE_integer("rounds", 5, "Rounds of latency measurements.")

_CONV = {"filters": 64, "kernel_size": 1}


def seven_joined(x):
    return layers.Concatenate()(
        [x, *(layers.Conv2D(9, 1)(x) for _ in "abcdef")]
    )


# Name, what is built, the kind of its rule.
_CASES = (
    ("BatchNormalization alone", layers.BatchNormalization(), "batch_norm"),
    ("relu, read twice", lambda x: x + ops.relu(x), "relu"),
    ("hard_swish", layers.Activation("hard_swish"), "hard_silu"),
    ("hard_sigmoid", layers.Activation("hard_sigmoid"), "hard_sigmoid"),
    ("average, 2x2", layers.AveragePooling2D(2), "requantized"),
    (
        "average, 3x3, padded",
        layers.AveragePooling2D(3, 1, padding="same"),
        "requantized",
    ),
    ("nearest upsampling", layers.UpSampling2D(2), "same_scale"),
    ("PReLU, per channel", layers.PReLU(shared_axes=[1, 2]), "prelu"),
    ("abs", ops.abs, "abs"),
    ("Rescaling, scale only", layers.Rescaling(0.5), "requantized"),
    ("Rescaling", layers.Rescaling(0.5, 1.0), "requantized"),
    ("7 tensors joined", seven_joined, "tied"),
)


def quantized(step):
    inputs = keras.Input((32, 32, 64))
    x = layers.Conv2D(**_CONV)(inputs)
    if isinstance(step, layers.BatchNormalization):
        x = layers.ReLU()(x)
    model = keras.Model(inputs, layers.Conv2D(**_CONV)(step(x)))
    for layer in model.layers:
        if isinstance(layer, layers.PReLU):
            layer.alpha.assign(np.linspace(0.1, 0.5, 64).reshape(1, 1, 64))
    samples = np.random.default_rng(0).standard_normal((16, 32, 32, 64))
    samples = samples.astype("float32")
    return keras_eff.calibrate(keras_eff.quantize(model), samples), samples


def main(_):
    print(
        "| operation | partitions, without / with | ms, without / with | "
        "times faster |\n|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as name:
        for title, step, kind in _CASES:
            keras.utils.set_random_seed(0)
            print(row(title, step, kind, pathlib.Path(name)), flush=True)


def row(title, step, kind, folder):
    model, samples = quantized(step)
    partitions, paths = [], []
    without = {k: rule for k, rule in RULES.items() if k != kind}
    for number, rules in enumerate((without, RULES)):
        data = convert(Lowering(rules).lower(model), "int8", 1, "int8")
        paths.append(folder / f"{number}.tflite")
        paths[-1].write_bytes(rewrite(data, [strip_metadata]).data)
        run = keras_eff.export.execute(paths[-1], [samples[:1]])
        partitions.append(run.delegate_partitions)
    times = [
        [keras_eff.latency.measure(path).median_ms for path in paths]
        for _ in range(FLAGS.rounds)
    ]
    slow, fast = np.median(times, axis=0)
    return (
        f"| {title} | {partitions[0]} / {partitions[1]} | "
        f"{slow:.3f} / {fast:.3f} | {slow / fast:.2f} |"
    )


if __name__ == "__main__":
    app.run(main)
