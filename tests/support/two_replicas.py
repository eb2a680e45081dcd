"""Prints, as JSON, what pruning does on each of two replicas.

A program of its own, because TensorFlow fixes its devices when it starts.
"""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

from keras_eff.callbacks import PruningScheduler
from keras_eff.layers import PrunableDense
from keras_eff.pruning.prunable import prunables
from keras_eff.schedules import PolynomialDecay

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(32, 6)).astype("float32")
Y = GENERATOR.normal(size=(32, 3)).astype("float32")


def replicate():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def build():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((6,)), PrunableDense(8), PrunableDense(3)]
    )
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    return model


def train(model, regrow):
    schedule = PolynomialDecay(0.0, 0.5, 2, 8)
    pruning = PruningScheduler(schedule, 3, regrow=regrow, dataset=(X, Y))
    history = model.fit(
        X, Y, 8, 3, shuffle=False, verbose=0, callbacks=[pruning]
    )
    return history.history["sparsity"]


def on_each_replica(strategy, variable):
    values = strategy.experimental_local_results(variable.value)
    return [value.numpy().astype("float64").tolist() for value in values]


def figures(strategy, regrow):
    with strategy.scope():
        model = build()
    sparsity = train(model, regrow)
    alone = build()
    train(alone, regrow)
    return {
        "sparsity": sparsity,
        "masks": [
            on_each_replica(strategy, p.mask.mask) for p in prunables(model)
        ],
        "kernels": [
            on_each_replica(strategy, p.variable) for p in prunables(model)
        ],
        "masks_alone": [
            keras.ops.convert_to_numpy(p.mask.mask).astype("float64").tolist()
            for p in prunables(alone)
        ],
    }


def main():
    strategy = replicate()
    regrows = [None, "gradient", "momentum", "random"]
    print(json.dumps({str(r): figures(strategy, r) for r in regrows}))


if __name__ == "__main__":
    sys.exit(main())
