"""Prints, as JSON, what a student learns on one and on two replicas.

A program of its own, because TensorFlow fixes its devices when it starts.
"""

import contextlib
import json

import keras
import numpy as np
import tensorflow as tf

from keras_eff.callbacks import DistillationTeacher
from keras_eff.distillation import ConnectedFeatures
from keras_eff.distillation import HiddenCosine
from keras_eff.distillation import SampleRelations

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


def taught(scope, teacher, weights, losses, size=16, **options):
    """The logs of an epoch of steps of eight, and the weights after it."""
    with scope:
        student = build()
        student.compile(
            keras.optimizers.SGD(0.1),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        student.set_weights(weights)
    teaching = DistillationTeacher(teacher, losses, student_loss_weight=0.25)
    history = student.fit(
        X[:size],
        Y[:size],
        8,
        shuffle=False,
        verbose=0,
        callbacks=[teaching],
        **options,
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
    # The last batch of nine samples leaves a replica without any.
    uneven = {"size": 9, "sample_weight": RNG.random(9)}
    relations = [SampleRelations(), ConnectedFeatures("hidden", "hidden")]
    for name, losses in (("", None), ("_by_relations", relations)):
        figures[f"replicated_unevenly{name}"] = taught(
            strategy.scope(), teacher, weights, losses, **uneven
        )
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
