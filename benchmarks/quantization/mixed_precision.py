"""Widths chosen layer by layer: accuracy against size, beside one for all.

A trained MobileNetV2 (see mobilenet_v2.py) with weights of 8 bits, of 4 bits,
and of widths that `keras_eff.quantization_sensitivity` chooses, on training
images, for several sizes; each after training, and trained on for an epoch.
Accuracy of each file on the test images, weights of 4 bits stored in 4.
"""

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt
from absl import app
from absl import flags

import keras_eff
from benchmarks.quantization.mobilenet_v2 import compiled
from benchmarks.quantization.mobilenet_v2 import images_of_96_pixels
from benchmarks.quantization.mobilenet_v2 import trained
from benchmarks.support.accuracy import accuracy

FLAGS = flags.FLAGS
flags.DEFINE_list(
    "shares", "0.9,0.8,0.7,0.6", "Sizes of the weights, as shares of 8 bits."
)
flags.DEFINE_string("plot", "", "Path of a PNG of the figures.")


def choices(sensitivity):
    """Names and widths: one for all layers, then chosen ones."""
    yield "8 bits", 8
    sizes = [
        effect.size_bytes
        for effect in sensitivity.effects
        if effect.kind == "weights" and effect.num_bits == 8
    ]
    for share in FLAGS.shares:
        size = int(float(share) * sum(sizes))
        yield f"mixed, {share}", sensitivity.mixed_precision(size)
    yield "4 bits", 4


def files(model, widths, train, folder):
    """Paths of the file after training, and of that trained on."""
    images, labels = train
    formats = None if widths == 8 else "int4"
    quantized = keras_eff.quantize(model, widths, input_range=(-1, 1))
    keras_eff.calibrate(quantized, images[:256])
    for name in ("after", "aware"):
        if name == "aware":
            compiled(quantized, 2e-4)
            quantized.fit(images, labels, batch_size=64, verbose=0)
        path = str(folder / f"{name}.tflite")
        keras_eff.export.to_tflite(
            quantized, path, formats, images[:64], tolerance=0.1
        )
        yield path


def plot(rows, path):
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for column, label in ((1, "after training"), (2, "trained on")):
        kilobytes = [size / 1e3 for _, size, *_ in rows]
        axes.plot(
            kilobytes, [row[column + 1] for row in rows], "o-", label=label
        )
    for name, size, *_, aware in rows:
        axes.annotate(
            name,
            (size / 1e3, aware),
            textcoords="offset points",
            xytext=(0, 6),
            fontsize=8,
            ha="center",
        )
    axes.set(xlabel="file, kB", ylabel="accuracy")
    axes.margins(y=0.1)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=150)


def main(_):
    keras.utils.set_random_seed(FLAGS.seed)
    folder = pathlib.Path(FLAGS.dir)
    folder.mkdir(parents=True, exist_ok=True)
    train, test = images_of_96_pixels()
    model = trained(train, folder / f"{FLAGS.dataset}.keras")
    path = str(folder / "float.tflite")
    keras_eff.export.to_tflite(model, path, samples=train[0][:64])
    print(f"float32: {os.path.getsize(path):,} bytes, {accuracy(path, *test)}")
    sensitivity = keras_eff.quantization_sensitivity(
        model, train[0][:128], verbose=0
    )
    print(sensitivity)
    print("| weights | layers with 4 bits | bytes | after training | aware |")
    print("|---" * 5 + "|")
    rows = []
    for name, widths in choices(sensitivity):
        paths = files(model, widths, train, folder)
        figures = [(os.path.getsize(x), accuracy(x, *test)) for x in paths]
        rows.append((name, figures[0][0], *(figure[1] for figure in figures)))
        few = list(widths.values()).count(4) if isinstance(widths, dict) else ""
        cells = (f"{rows[-1][1]:,}", *(f"{x:.4f}" for x in rows[-1][2:]))
        print(f"| {name} | {few} | " + " | ".join(cells) + " |", flush=True)
    if FLAGS.plot:
        plot(rows, FLAGS.plot)


if __name__ == "__main__":
    app.run(main)
