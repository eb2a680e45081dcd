"""Efficient layers against those whose place they take: time of a train step.

One layer a model, compiled as Keras does by default; medians over rounds in
which the models of a size take turns. "Matrix products alone" is `QRNN`
without its recurrence, "its dense layers alone" are `LocalProjectedAttention`
without its attention: no layer of these can be faster.
"""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from absl import app
from absl import flags
from keras import layers
from keras import ops

import keras_eff
from benchmarks.layers.parts_alone import attention_products

FLAGS = flags.FLAGS
flags.DEFINE_integer("rounds", 15, "Rounds; each model trains once in each.")
flags.DEFINE_integer("steps", 5, "Steps in a turn.")
flags.DEFINE_list("lengths", "128,512", "Of the recurrent layers' inputs.")
flags.DEFINE_list("positions", "128,512,1024", "Of the attention's inputs.")
flags.DEFINE_enum(
    "jit", "auto", ["auto", "on", "off"], "Whether XLA compiles the models."
)

FEATURES = 128


def compiled(layer, shape, calls_with=1):
    inputs = keras.Input(shape)
    model = keras.Model(inputs, layer(*[inputs] * calls_with))
    jit = {"auto": "auto", "on": True, "off": False}[FLAGS.jit]
    model.compile(keras.optimizers.Adam(1e-3), "mse", jit_compile=jit)
    return model


def products(inputs):
    """The gates of a QRNN; the sum of each keeps all steps in use."""
    gates = layers.Conv1D(3 * FEATURES, 2, padding="causal")(inputs)
    return ops.sum(gates, axis=1)[:, :FEATURES]


def recurrent_models(length):
    shape = (length, FEATURES)
    return {
        "LSTM": compiled(layers.LSTM(FEATURES), shape),
        "QRNN": compiled(keras_eff.layers.QRNN(FEATURES, 2, "fo"), shape),
        "matrix products alone": compiled(products, shape),
    }


def attention_models(positions):
    shape = (positions, FEATURES)
    theirs = layers.MultiHeadAttention(4, 32)
    ours = keras_eff.layers.LocalProjectedAttention(4, 32, group_size=4)
    return {
        "MultiHeadAttention": compiled(theirs, shape, calls_with=2),
        "LocalProjectedAttention": compiled(ours, shape),
        "its dense layers alone": compiled(
            lambda x: attention_products(x, FEATURES), shape
        ),
    }


def random_batch(model, batch_size):
    generator = np.random.default_rng(0)
    return [
        generator.standard_normal((batch_size, *shape[1:])).astype("float32")
        for shape in (model.input_shape, model.output_shape)
    ]


def milliseconds(model, batch):
    start = time.perf_counter()
    for _ in range(FLAGS.steps):
        model.train_on_batch(*batch)
    return (time.perf_counter() - start) / FLAGS.steps * 1e3


def print_rows(batch_size, length, models):
    runs = [
        (model, random_batch(model, batch_size)) for model in models.values()
    ]
    for run in runs:
        milliseconds(*run)
    times = np.zeros((FLAGS.rounds, len(runs)))
    for i in range(FLAGS.rounds):
        # Each begins a round in turn: the first may pay for the one before.
        for j in np.roll(np.arange(len(runs)), i):
            times[i, j] = milliseconds(*runs[j])
    medians = np.median(times, axis=0)
    for (name, model), ms in zip(models.items(), medians, strict=True):
        print(
            f"| {batch_size} x {length} x {FEATURES} | {name} | "
            f"{'yes' if model.jit_compile else 'no'} | {ms:.1f} | "
            f"{medians[0] / ms:.2f} |",
            flush=True,
        )


def main(_):
    keras.utils.set_random_seed(0)
    print(
        "| input | layer | XLA | ms a step | times faster |\n"
        "|---|---|---|---|---|"
    )
    for length in map(int, FLAGS.lengths):
        print_rows(32, length, recurrent_models(length))
    for positions in map(int, FLAGS.positions):
        print_rows(8, positions, attention_models(positions))


if __name__ == "__main__":
    app.run(main)
