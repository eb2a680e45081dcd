"""Prints, as JSON, the states of layers on each of two replicas.

A program of its own, because TensorFlow fixes its devices when it starts.
"""

import json

import keras
import numpy as np
import tensorflow as tf

from keras_eff.layers import FakeQuant
from keras_eff.layers import TransformedWeights
from keras_eff.layers import WeightFakeQuant

X = np.arange(8, dtype="float32").reshape(4, 2) / 4
Y = np.ones((4, 2), "float32")


def replicate():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def build():
    """A Dense to train, and beside it a FakeQuant on what it reads."""
    inputs = keras.Input((2,))
    dense = TransformedWeights(
        keras.layers.Dense(2, kernel_initializer="identity"),
        [WeightFakeQuant(4)],
        name="dense",
    )
    rounded = FakeQuant(momentum=0.5, name="fake_quant")(inputs)
    model = keras.Model(inputs, [dense(inputs), rounded])
    model.compile(keras.optimizers.SGD(0.1), ["mse", None])
    return model


def on_each_replica(strategy, variable):
    values = strategy.experimental_local_results(variable.value)
    return [value.numpy().tolist() for value in values]


def main():
    strategy = replicate()
    with strategy.scope():
        replicated = build()
    alone = build()
    for model in (replicated, alone):
        for x in (X, 2 * X):
            model.fit(x, [Y, Y], batch_size=4, shuffle=False, verbose=0)
    layer = replicated.get_layer("fake_quant")
    kernel = replicated.get_layer("dense").kernel
    figures = {
        "range": layer.range,
        "range_max": on_each_replica(strategy, layer.range_max),
        "kernel": on_each_replica(strategy, kernel),
        "kernel_alone": alone.get_layer("dense").kernel.numpy().tolist(),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
