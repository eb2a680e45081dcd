"""keras.applications as int8 files: ours, the converter's, and float.

Untrained weights, with batch normalization adapted to the random images, so
that activations have the ranges of a network at work. An untrained network
tells its classes apart by next to nothing: the column "same network, weights
moved by 1e-6" says what agreement two equal networks reach.

Latencies are medians over rounds in which the three files take turns.
"""

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from absl import app
from absl import flags

import keras_eff
from benchmarks.support.chaos import agreement
from benchmarks.support.chaos import agreement_of_equals
from benchmarks.support.converter import post_training_int8
from keras_eff.tflite.flatbuffer import operator_name
from keras_eff.tflite.flatbuffer import parse

_WITH_WEIGHTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_PIXELS = ("MobileNetV3Small", "EfficientNetB0")

FLAGS = flags.FLAGS
flags.DEFINE_list(
    "models",
    "MobileNet,MobileNetV2,MobileNetV3Small,EfficientNetB0,ResNet50,"
    "DenseNet121,NASNetMobile",
    "Names in keras.applications.",
)
flags.DEFINE_integer("size", 96, "Height and width of the images, in pixels.")
flags.DEFINE_integer("rounds", 7, "Rounds of latency measurements.")
flags.DEFINE_string("dir", "/tmp/keras_eff_zoo", "Where the files go.")


def adapted(name, images):
    model = getattr(keras.applications, name)(
        weights=None, input_shape=images.shape[1:], classes=10
    )
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(images, training=True)
    return model


def random_images(name):
    low, peak = (0.0, 255.0) if name in _PIXELS else (-1.0, 1.0)
    shape = (64, FLAGS.size, FLAGS.size, 3)
    generator = np.random.default_rng(0)
    return generator.uniform(low, peak, shape).astype("float32")


def per_channel(path):
    """How many convolution and dense weights have a scale per channel.

    Without those that stand for normalizations and averages, which are
    depthwise: 1x1, or all of one value.
    """
    model = parse(pathlib.Path(path).read_bytes())
    graph, counts = model.subgraphs[0], [0, 0]
    for operator in graph.operators:
        if operator_name(model, operator) not in _WITH_WEIGHTS:
            continue
        weight = graph.tensors[operator.inputs[1]]
        values = model.buffers[weight.buffer].data.view(np.int8)
        is_depthwise = weight.shape[0] == 1 and len(weight.shape) == 4
        is_single = np.prod(weight.shape[:3]) == 1 or np.ptp(values) == 0
        if not (is_depthwise and is_single):
            counts[0] += len(weight.quantization.scale) > 1
            counts[1] += 1
    return "{}/{}".format(*counts)


def latencies(paths):
    """Median latency of each file, in ms, measured in turns."""
    times = [
        [keras_eff.latency.measure(p).median_ms for p in paths]
        for _ in range(FLAGS.rounds)
    ]
    return np.median(times, axis=0)


def row(name, folder):
    keras.utils.set_random_seed(0)
    images = random_images(name)
    model = adapted(name, images[:32])
    quantized = keras_eff.calibrate(keras_eff.quantize(model), images)
    paths = [str(folder / f"{name}_{kind}.tflite") for kind in "fci"]
    float_report = keras_eff.export.to_tflite(model, paths[0], samples=images)
    post_training_int8(model, images, paths[1])
    report = keras_eff.export.to_tflite(
        quantized,
        paths[2],
        samples=images,
        tolerance=1.0,
        min_agreement=0.0,
    )
    expected = model.predict(images, verbose=0)
    theirs, ours = (
        keras_eff.export.execute(path, [images]) for path in paths[1:]
    )
    converter = keras_eff.export.inspect(paths[1])
    float_ms, converter_ms, ours_ms = latencies(paths)
    cells = (
        name,
        len(report.float_tensors),
        per_channel(paths[2]),
        f"{theirs.delegate_partitions} / {report.delegate_partitions}",
        f"{float_report.size_bytes:,} / {converter.size_bytes:,} / "
        f"{report.size_bytes:,}",
        f"{float_ms:.2f} / {converter_ms:.2f} / {ours_ms:.2f}",
        f"{converter_ms / ours_ms:.2f}, {float_ms / ours_ms:.2f}",
        f"{report.agreement:.3f}",
        f"{agreement_of_equals(quantized, images):.3f}",
        f"{agreement(theirs.delegate[0], expected):.3f} / "
        f"{agreement(ours.delegate[0], expected):.3f}",
    )
    return "| " + " | ".join(map(str, cells)) + " |"


def main(_):
    folder = pathlib.Path(FLAGS.dir)
    folder.mkdir(parents=True, exist_ok=True)
    print(
        "| model | float tensors | weights per channel | partitions, "
        "converter / ours | bytes, float / converter / ours | ms, float / "
        "converter / ours | times faster than converter, float | agreement "
        "with its Keras model | same network, weights moved by 1e-6 | "
        "agreement with float, converter / ours |\n" + "|---" * 10 + "|"
    )
    for name in FLAGS.models:
        print(row(name, folder), flush=True)


if __name__ == "__main__":
    app.run(main)
