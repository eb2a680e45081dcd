"""What pruning costs in training: a step, and an update of the masks.

keras_eff on Keras 3 and tensorflow-model-optimization on tf_keras, in one
process, in turns; steps each against its own model without pruning, masks
updated every 100 of them. Needs the `benchmarks` extra.
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
flags.DEFINE_integer("rounds", 7, "Rounds; each model trains once in each.")
flags.DEFINE_integer("steps", 100, "Steps in a turn.")
flags.DEFINE_integer("batch_size", 128, "Images in a step.")
flags.DEFINE_bool("jit", False, "Whether all models are compiled by XLA.")

_SPARSITY = 0.8
_WIDTH = 3200
_OF_ALL_LAYERS = ()


def convnet(library):
    """That of examples/quickstart.py."""
    layers = library.layers
    blocks = [layers.Input((28, 28, 1))]
    for filters in (16, 32, 64):
        blocks += [
            layers.Conv2D(filters, 3, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.MaxPooling2D(),
        ]
    blocks[-1] = layers.GlobalAveragePooling2D()
    return library.Sequential([*blocks, layers.Dense(10)])


def schedule():
    return keras_eff.schedules.PolynomialDecay(0.0, _SPARSITY, 0, 800)


def their_schedule():
    sparsity = tfmot.sparsity.keras
    return {
        "pruning_schedule": sparsity.PolynomialDecay(
            0.0, _SPARSITY, 0, 800, frequency=100
        )
    }


def compiled(library, model):
    loss = library.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(library.optimizers.Adam(1e-3), loss, jit_compile=FLAGS.jit)
    return model


def step_ms(model, data, callbacks):
    start = time.perf_counter()
    model.fit(*data, FLAGS.batch_size, verbose=0, callbacks=callbacks)
    return (time.perf_counter() - start) / FLAGS.steps * 1e3


def print_steps():
    generator = np.random.default_rng(0)
    size = FLAGS.steps * FLAGS.batch_size
    images = generator.random((size, 28, 28, 1), dtype="float32")
    data = (images, generator.integers(0, 10, size))
    pruned = keras_eff.prune(convnet(keras), schedule(), skip=_OF_ALL_LAYERS)
    theirs = tfmot.sparsity.keras.prune_low_magnitude(
        convnet(tf_keras), **their_schedule()
    )
    runs = [
        (compiled(keras, convnet(keras)), []),
        (
            compiled(keras, pruned),
            [keras_eff.callbacks.PruningScheduler(interval=100)],
        ),
        (compiled(tf_keras, convnet(tf_keras)), []),
        (
            compiled(tf_keras, theirs),
            [tfmot.sparsity.keras.UpdatePruningStep()],
        ),
    ]
    for model, callbacks in runs:
        step_ms(model, data, callbacks)
    times = np.zeros((FLAGS.rounds, len(runs)))
    for i in range(FLAGS.rounds):
        # Each begins a round in turn: the first may pay for the one before.
        for j in np.roll(np.arange(len(runs)), i):
            model, callbacks = runs[j]
            times[i, j] = step_ms(model, data, callbacks)
    plain, ours, their_plain, theirs = np.median(times, axis=0)
    print(
        "| step | plain, ms | pruned, ms | ratio |\n|---|---|---|---|\n"
        f"| keras_eff | {plain:.1f} | {ours:.1f} | **{ours / plain:.2f}** |\n"
        f"| TFMOT | {their_plain:.1f} | {theirs:.1f} | "
        f"**{theirs / their_plain:.2f}** |\n"
    )


def milliseconds(function):
    start = time.perf_counter()
    function()
    return (time.perf_counter() - start) * 1e3


def print_update():
    """One weight of 10 million entries, random at first, then pruned."""
    dense = keras_eff.layers.PrunableDense(_WIDTH)
    model = keras.Sequential([keras.Input((_WIDTH,)), dense])
    callback = keras_eff.callbacks.PruningScheduler(
        keras_eff.schedules.ConstantSparsity(_SPARSITY)
    )
    layer = tfmot.sparsity.keras.prune_low_magnitude(
        tf_keras.layers.Dense(_WIDTH),
        pruning_schedule=tfmot.sparsity.keras.ConstantSparsity(_SPARSITY, 0),
    )
    tf_keras.Sequential([tf_keras.Input((_WIDTH,)), layer])
    layer.pruning_step.assign(0)

    def ours():
        callback.apply(model)

    turns = (ours, layer.pruning_obj.conditional_mask_update)
    times = [
        [milliseconds(turn) for turn in turns] for _ in range(FLAGS.rounds)
    ]
    our_ms, their_ms = np.median(times, axis=0)
    print(
        f"| update of {_WIDTH**2:,} weights | ms |\n|---|---|\n"
        f"| keras_eff | {our_ms:.0f} |\n| TFMOT | {their_ms:.0f} |"
    )


def main(_):
    print_steps()
    print_update()


if __name__ == "__main__":
    app.run(main)
