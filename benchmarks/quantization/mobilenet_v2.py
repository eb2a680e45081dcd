"""A trained MobileNetV2 (alpha 0.35, 96x96): does the file say what Keras says?

Trains on MNIST-5k or CIFAR-10, resized to 96x96, quantizes, trains on for an
epoch, and compares the file with the quantized Keras model on the test images
under both resolvers; then the same model without training on (post-training),
and the converter's own file. The trained weights are kept in `--dir`.
"""

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from absl import app
from absl import flags

import keras_eff
from benchmarks.support.chaos import agreement_of_equals
from benchmarks.support.converter import post_training_int8
from benchmarks.support.data import cifar10
from benchmarks.support.data import mnist5k

FLAGS = flags.FLAGS
flags.DEFINE_enum("dataset", "mnist5k", ["mnist5k", "cifar10"], "Images.")
flags.DEFINE_integer("epochs", 6, "Epochs of float training.")
flags.DEFINE_integer("seed", 0, "Seed.")
flags.DEFINE_string("dir", "/tmp/keras_eff_mobilenet_v2", "Where files go.")


def images_of_96_pixels():
    """Training and test set, in [-1, 1], with three channels."""
    if FLAGS.dataset == "cifar10":
        return cifar10(num_train=10000, num_test=2000, size=96)
    return [
        (
            keras.ops.convert_to_numpy(
                keras.ops.image.resize(
                    np.repeat(images * 2 - 1, 3, axis=-1), (96, 96)
                )
            ),
            labels,
        )
        for images, labels in (mnist5k()[0], mnist5k()[2])
    ]


def trained(train, path):
    if path.exists():
        return keras.models.load_model(path)
    model = keras.applications.MobileNetV2(
        input_shape=(96, 96, 3), alpha=0.35, weights=None, classes=10
    )
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            # The default of 0.999 needs more steps than are taken here.
            layer.momentum = 0.9
    compiled(model, 1e-3).fit(
        *train, batch_size=64, epochs=FLAGS.epochs, verbose=2
    )
    model.save(path)
    return model


def compiled(model, learning_rate):
    model.compile(
        keras.optimizers.Adam(learning_rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def row(name, path, model, images, labels):
    """One Markdown row: the file against `model` and against the labels."""
    expected = model.predict(images, verbose=0)
    run = keras_eff.export.execute(path, [images])
    contents = keras_eff.export.inspect(path)
    cells = [name, f"{contents.size_bytes:,}", str(run.delegate_partitions)]
    cells.append(f"{np.mean(expected.argmax(-1) == labels):.4f}")
    cells.append(f"{agreement_of_equals(model, images):.4f}")
    for (outputs,) in (run.delegate, run.builtin):
        lsb = np.abs(outputs - expected) * 256
        same = np.mean(outputs.argmax(-1) == expected.argmax(-1))
        cells.append(f"{np.mean(outputs.argmax(-1) == labels):.4f}")
        cells.append(f"{same:.4f}, {lsb.mean():.2f}, {lsb.max():.0f}")
    print("| " + " | ".join(cells) + " |", flush=True)


def main(_):
    keras.utils.set_random_seed(FLAGS.seed)
    folder = pathlib.Path(FLAGS.dir)
    folder.mkdir(parents=True, exist_ok=True)
    train, (images, labels) = images_of_96_pixels()
    model = trained(train, folder / f"{FLAGS.dataset}.keras")
    samples = train[0][:256]
    after = keras_eff.calibrate(keras_eff.quantize(model), samples)
    aware = keras_eff.quantize(model)
    compiled(aware, 2e-4).fit(*train, batch_size=64, epochs=1, verbose=2)
    print(
        "| file | bytes | partitions | accuracy, Keras | same "
        "network, weights moved by 1e-6 | accuracy, XNNPACK | "
        "agreement, mean and max LSB | accuracy, builtin | agreement, mean "
        "and max LSB |\n|---|---|---|---|---|---|---|---|---|"
    )
    for name, keras_model in (("post-training", after), ("aware", aware)):
        path = str(folder / f"{name}.tflite")
        keras_eff.export.to_tflite(keras_model, path, samples=images[:64])
        row(name, path, keras_model, images, labels)
    path = post_training_int8(model, samples, folder / "converter.tflite")
    row("converter, post-training", path, model, images, labels)


if __name__ == "__main__":
    app.run(main)
