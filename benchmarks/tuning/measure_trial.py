"""What `keras_eff.tuning.measure_trial` adds to a trial of a search.

A model of about a million parameters is measured in every format: first, and
again when the cache knows its architecture. One epoch of training stands beside
it, for scale.
"""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from absl import app
from absl import flags

from keras_eff.tuning import measure_trial

flags.DEFINE_integer("rounds", 5, "Architectures to measure in each format.")
FLAGS = flags.FLAGS


def model(units):
    """`units` makes each another architecture for the cache."""
    inputs = x = keras.Input((32, 32, 3))
    for filters in (32, 64, 128, 256, 256):
        x = keras.layers.Conv2D(filters, 3, 2, padding="same", use_bias=False)(
            x
        )
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(units)(x))


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def epoch_seconds():
    """Of 10,000 images, after the first step."""
    net = model(10)
    net.compile("adam", keras.losses.SparseCategoricalCrossentropy(True))
    images = np.zeros((10_000, 32, 32, 3), "float32")
    labels = np.zeros(10_000, "int32")
    net.fit(images[:32], labels[:32], verbose=0)
    return seconds(lambda: net.fit(images, labels, verbose=0))


def main(_):
    print(f"{model(10).count_params():,} parameters")
    print(f"an epoch of 10,000 images: {epoch_seconds():.1f} s\n")
    print("| format | first, s (median) | slowest, s | cached, s |")
    print("|---" * 4 + "|")
    for quantize in (None, "float16", "dynamic", "int8"):
        first, cached = [], []
        for units in range(10, 10 + FLAGS.rounds):
            for times in (first, cached):
                net = model(units)
                times.append(
                    seconds(
                        lambda net=net, quantize=quantize: measure_trial(
                            net, quantize=quantize
                        )
                    )
                )
        print(
            f"| {quantize or 'float32'} | {np.median(first):.2f} "
            f"| {max(first):.2f} | {np.median(cached):.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    app.run(main)
