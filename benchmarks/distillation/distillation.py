"""Students that learn from a teacher, and the same students that do not.

For each seed one student in three ways from the same first weights: plain,
with `DistillationTeacher`, and in `keras.distillation.Distiller`; the same
learning rates and epochs, the epoch chosen on validation images, accuracy on
test images. Then 4-bit quantization-aware training of the plain student, with
and without the teacher.

    python -m benchmarks.distillation.distillation --seeds=0,1,2,3,4
    python -m benchmarks.distillation.distillation --dataset=cifar10
"""

import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from absl import app
from absl import flags
from keras import distillation

import keras_eff
from benchmarks.support.data import cifar10
from benchmarks.support.data import mnist5k
from benchmarks.support.rows import append
from benchmarks.support.rows import read

FLAGS = flags.FLAGS
flags.DEFINE_enum("dataset", "mnist5k", ["mnist5k", "cifar10"], "Images.")
flags.DEFINE_list("seeds", "0,1,2", "Seeds.")
flags.DEFINE_list(
    "columns", "plain,ours,Distiller,QAT,QAT+ours", "What to run."
)
flags.DEFINE_list("filters", "8,8,16,16,32", "The student's convolutions.")
flags.DEFINE_integer("epochs", 20, "Epochs of each training.")
flags.DEFINE_integer("train_size", 500, "Images to train on.")
flags.DEFINE_float("temperature", 4.0, "Of the softmax of both.")
flags.DEFINE_float("student_loss_weight", 0.1, "Share of the labels.")
flags.DEFINE_string("stored", None, "Folder for the teacher's outputs.")
flags.DEFINE_string("rows", "distillation.jsonl", "File of finished rows.")

_LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def load():
    """(train, validation, test); the teacher sees all but the last two."""
    if FLAGS.dataset == "mnist5k":
        whole, validation, test = mnist5k()
        train = tuple(array[: FLAGS.train_size] for array in whole)
        return whole, train, validation, test
    whole, test = cifar10(FLAGS.train_size + 1000, 10000, 32)
    train = tuple(array[:-1000] for array in whole)
    validation = tuple(array[-1000:] for array in whole)
    return train, train, validation, test


def convnet(shape, filters, augmented):
    layers = [keras.Input(shape)]
    if augmented:
        layers += [keras.layers.RandomTranslation(0.1, 0.1)]
    for i, width in enumerate(filters):
        layers += [
            keras.layers.Conv2D(
                width, 3, 2 if i % 2 else 1, padding="same", use_bias=False
            ),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
        ]
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10)]
    return keras.Sequential(layers)


def fitted(model, data, validation, callbacks=(), rate=3e-3):
    """Trains, and keeps the epoch that is best on the validation images."""
    steps = FLAGS.epochs * -(-len(data[0]) // 64)
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(rate, steps)
    )
    metrics = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
    model.compile(optimizer, _LOGITS, metrics=metrics)
    best = keras.callbacks.EarlyStopping(
        "val_accuracy",
        mode="max",
        patience=FLAGS.epochs,
        restore_best_weights=True,
    )
    begin = time.perf_counter()
    model.fit(
        *data,
        64,
        FLAGS.epochs,
        verbose=0,
        validation_data=validation,
        callbacks=[*callbacks, best],
    )
    return time.perf_counter() - begin


def accuracy(model, data):
    outputs = model.predict(data[0], 256, verbose=0)
    return float(np.mean(outputs.argmax(-1) == data[1]))


def teaching(teacher):
    loss = distillation.LogitsDistillation(
        FLAGS.temperature, keras.losses.KLDivergence()
    )
    return keras_eff.callbacks.DistillationTeacher(
        teacher, loss, student_loss_weight=FLAGS.student_loss_weight
    )


def taught(teacher, images, labels):
    """Targets for `fit` and what teaches: the teacher, or its outputs."""
    if FLAGS.stored is None:
        return labels, teacher
    stored = keras_eff.distillation.StoredOutputs.collect(
        teacher, images, FLAGS.stored
    )
    return stored.targets(images, labels), stored


def in_distiller(student, teacher, data, validation):
    loss = distillation.LogitsDistillation(
        FLAGS.temperature, keras.losses.KLDivergence()
    )
    distiller = distillation.Distiller(
        teacher, student, loss, None, FLAGS.student_loss_weight
    )
    return fitted(distiller, data, validation)


def figures(seed, teacher, data):
    """{column: (accuracy on the test images, seconds of training)}."""
    train, validation, test = data
    found = {}
    keras.utils.set_random_seed(seed)
    filters = tuple(map(int, FLAGS.filters))
    student = convnet(train[0].shape[1:], filters, augmented=False)
    first = student.get_weights()
    plain = None
    for column in FLAGS.columns:
        keras.utils.set_random_seed(seed)
        student.set_weights(first)
        model, rate = student, 3e-3
        if column.startswith("QAT"):
            student.set_weights(plain)
            model, rate = keras_eff.quantize(student, 4), 1e-3
            keras_eff.calibrate(model, train[0][:200])
        if column == "Distiller":
            seconds = in_distiller(model, teacher, train, validation)
        else:
            images, targets, callbacks = *train, []
            if "ours" in column:
                targets, source = taught(teacher, *train)
                callbacks = [teaching(source)]
            taught_data = (images, targets)
            seconds = fitted(model, taught_data, validation, callbacks, rate)
        if column == "plain":
            plain = model.get_weights()
        found[column] = (accuracy(model, test), seconds)
    return found


def trained_teacher(whole, validation):
    keras.utils.set_random_seed(100)
    filters = (32, 32, 64, 64, 128, 128)
    teacher = convnet(whole[0].shape[1:], filters, augmented=True)
    fitted(teacher, whole, validation)
    return teacher


def make_rows(path):
    whole, *data = load()
    teacher = None
    for seed in map(int, FLAGS.seeds):
        if any(row["seed"] == seed for row in read(path)):
            continue
        if teacher is None:
            teacher = trained_teacher(whole, data[1])
        row = {
            "dataset": FLAGS.dataset,
            "seed": seed,
            "teacher": accuracy(teacher, data[2]),
            "columns": figures(seed, teacher, data),
        }
        append(path, row)
        print(row, flush=True)


def print_table(rows):
    print(
        "| student | seeds | accuracy, mean ± standard deviation | gain over "
        "the same without a teacher, each seed | seconds |\n" + "|---" * 5 + "|"
    )
    teachers = [row["teacher"] for row in rows]
    print(f"| teacher | 1 | {np.mean(teachers):.4f} | | |")
    for column in rows[0]["columns"]:
        other = "QAT" if column.startswith("QAT") else "plain"
        found = np.array([row["columns"][column] for row in rows])
        base = np.array([row["columns"][other] for row in rows])
        gains = " ".join(f"{gain:+.3f}" for gain in (found - base)[:, 0])
        accuracies, seconds = found.T
        print(
            f"| {column} | {len(rows)} | {accuracies.mean():.4f} ± "
            f"{accuracies.std(ddof=1):.4f} | "
            f"{'' if column == other else gains} | {np.median(seconds):.1f} |"
        )


def main(_):
    path = pathlib.Path(FLAGS.rows)
    make_rows(path)
    print_table(read(path))


if __name__ == "__main__":
    app.run(main)
