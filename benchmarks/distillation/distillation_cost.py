"""What a teacher costs: the time of an epoch, in turns.

The student alone; with `DistillationTeacher`, live and from stored outputs;
and in `keras.distillation.Distiller`. And whether stored outputs give the
losses of the live teacher.
"""

import os
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from absl import app
from absl import flags
from keras import distillation

import keras_eff
from benchmarks.support.nets import residual

FLAGS = flags.FLAGS
flags.DEFINE_integer("rounds", 5, "Rounds; each trains once in each.")
flags.DEFINE_integer("epochs", 3, "Epochs of a training that are timed.")
flags.DEFINE_integer("steps", 50, "Steps in an epoch, of 64 images.")
flags.DEFINE_integer("teacher_filters", 32, "Of the teacher's convolutions.")


def teacher_model(filters):
    layers = [keras.Input((28, 28, 1))]
    for strides in (1, 2, 1, 2):
        layers.append(
            keras.layers.Conv2D(
                filters, 3, strides, padding="same", activation="relu"
            )
        )
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10)]
    return keras.Sequential(layers)


def student_model():
    keras.utils.set_random_seed(0)
    return residual()


def loss_of_logits():
    return distillation.LogitsDistillation(3.0, keras.losses.KLDivergence())


def compiled(model):
    model.compile(
        keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy"
    )
    return model


def fit(model, x, y, callbacks, epochs=1):
    return model.fit(
        x, y, 64, epochs, verbose=0, shuffle=False, callbacks=callbacks
    ).history


class EpochTimes(keras.callbacks.Callback):
    """How long each epoch takes, in seconds."""

    def on_train_begin(self, logs=None):
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self._begin = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self._begin)


def seconds(model, x, y, callbacks):
    """Of an epoch, the first left out, which compiles."""
    times = EpochTimes()
    fit(model, x, y, [*callbacks, times], 1 + FLAGS.epochs)
    return np.median(times.seconds[1:])


def main(_):
    generator = np.random.default_rng(0)
    size = FLAGS.steps * 64
    x = generator.random((size, 28, 28, 1), dtype="float32")
    y = generator.integers(0, 10, size)
    teacher = teacher_model(FLAGS.teacher_filters)
    # The Distiller knows logits only: it compares the same outputs.
    probabilities = keras.Sequential([teacher, keras.layers.Softmax()])
    probabilities.build((None, 28, 28, 1))
    with tempfile.TemporaryDirectory() as folder:
        stored = keras_eff.distillation.StoredOutputs.collect(
            teacher, x, folder
        )
        targets = stored.targets(x, y)
        live, offline = (
            keras_eff.callbacks.DistillationTeacher(t, loss_of_logits())
            for t in (teacher, stored)
        )
        distiller = distillation.Distiller(
            probabilities, student_model(), loss_of_logits()
        )
        runs = {
            "student alone": (compiled(student_model()), x, y, []),
            "DistillationTeacher": (compiled(student_model()), x, y, [live]),
            "the same, stored outputs": (
                compiled(student_model()),
                x,
                targets,
                [offline],
            ),
            "Distiller": (compiled(distiller), x, y, []),
        }
        losses = {
            name: fit(model, *rest)["loss"][0]
            for name, (model, *rest) in runs.items()
        }
        times = [
            [seconds(*run) for run in runs.values()]
            for _ in range(FLAGS.rounds)
        ]
    medians = np.median(times, axis=0)
    print(
        "| | s an epoch | ratio | loss of the first epoch |\n|---|---|---|---|"
    )
    for (name, loss), median in zip(losses.items(), medians, strict=True):
        print(
            f"| {name} | {median:.2f} | {median / medians[0]:.2f} | "
            f"{loss:.7f} |"
        )


if __name__ == "__main__":
    app.run(main)
