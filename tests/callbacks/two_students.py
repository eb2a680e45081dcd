"""Prints, as JSON, what a student learns on one and on two replicas.

A program of its own, because TensorFlow fixes its devices when it starts.
"""

import contextlib
import json

import keras
import numpy as np
import tensorflow as tf

from keras_eff.callbacks import DistillationTeacher
from keras_eff.distillation import HiddenCosine

RNG = np.random.default_rng(0)
X = RNG.normal(size=(16, 8)).astype("float32")
Y = RNG.integers(0, 3, 16)


def replicate():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def build():
    return keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(4, "tanh", name="hidden"),
            keras.layers.Dense(3, kernel_regularizer="l2"),
        ]
    )


def taught(scope, teacher, weights, losses):
    """The logs of an epoch of two steps, and the weights after it."""
    with scope:
        student = build()
        student.compile(
            keras.optimizers.SGD(0.1),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        student.set_weights(weights)
    teaching = DistillationTeacher(teacher, losses, student_loss_weight=0.25)
    history = student.fit(
        X, Y, 8, shuffle=False, verbose=0, callbacks=[teaching]
    ).history
    return {
        "logs": {name: values[0] for name, values in history.items()},
        "weights": [value.tolist() for value in student.get_weights()],
    }


def main():
    strategy = replicate()
    teacher, weights = build(), build().get_weights()
    losses = [
        # Keras reduces the first over replicas, and not the others.
        keras.distillation.LogitsDistillation(),
        keras.distillation.FeatureDistillation("mse"),
        HiddenCosine("hidden", "hidden"),
    ]
    figures = {
        name: taught(scope, teacher, weights, losses)
        for name, scope in (
            ("alone", contextlib.nullcontext()),
            ("replicated", strategy.scope()),
        )
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
