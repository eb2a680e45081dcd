"""What quantization-aware training costs: time of a step, QAT over float.

keras_eff on Keras 3 and tensorflow-model-optimization on tf_keras, in one
process, in turns; each against its own float model. Needs the `benchmarks`
extra.
"""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import keras
import numpy as np
import tensorflow_model_optimization as tfmot
import tf_keras
from absl import app
from absl import flags

import keras_eff

FLAGS = flags.FLAGS
flags.DEFINE_integer("rounds", 20, "Rounds; each model trains once in each.")
flags.DEFINE_integer("steps", 3, "Steps in a turn.")
flags.DEFINE_bool("jit", False, "Whether all models are compiled by XLA.")


def convnet(library):
    layers = library.layers
    blocks = []
    for filters, strides in ((16, 1), (32, 2), (64, 2)):
        blocks += [
            layers.Conv2D(filters, 3, strides, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
        ]
    return library.Sequential(
        [
            layers.Input((28, 28, 1)),
            *blocks,
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def mobilenet_v2(library):
    return library.applications.MobileNetV2(
        input_shape=(96, 96, 3), alpha=0.35, weights=None, classes=10
    )


def compiled(library, model):
    model.compile(
        library.optimizers.Adam(1e-3),
        "sparse_categorical_crossentropy",
        jit_compile=FLAGS.jit,
    )
    return model


def milliseconds(model, batch):
    start = time.perf_counter()
    for _ in range(FLAGS.steps):
        model.train_on_batch(*batch)
    return (time.perf_counter() - start) / FLAGS.steps * 1e3


def row(name, build, shape):
    generator = np.random.default_rng(0)
    images = generator.random(shape, dtype="float32")
    batch = (images, generator.integers(0, 10, shape[0]))
    legacy = build(tf_keras)
    models = [
        compiled(keras, build(keras)),
        compiled(keras, keras_eff.quantize(build(keras))),
        compiled(tf_keras, legacy),
        compiled(
            tf_keras, tfmot.quantization.keras.quantize_model(build(tf_keras))
        ),
    ]
    for model in models:
        milliseconds(model, batch)
    times = [
        [milliseconds(model, batch) for model in models]
        for _ in range(FLAGS.rounds)
    ]
    float_ms, ours, legacy_ms, theirs = np.median(times, axis=0)
    print(
        f"| {name}, batch {shape[0]} | {float_ms:.1f} | {ours:.1f} | "
        f"**{ours / float_ms:.2f}** | {legacy_ms:.1f} | {theirs:.1f} | "
        f"**{theirs / legacy_ms:.2f}** |",
        flush=True,
    )


def main(_):
    print(
        "| model | Keras 3 float, ms | keras_eff, ms | ratio | tf_keras "
        "float, ms | TFMOT, ms | ratio |\n|---|---|---|---|---|---|---|"
    )
    row("BN convnet, 28x28", convnet, (128, 28, 28, 1))
    row("MobileNetV2-0.35, 96x96", mobilenet_v2, (32, 96, 96, 3))


if __name__ == "__main__":
    app.run(main)
