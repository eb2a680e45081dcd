"""Efficient layers against those whose place they take: latency of the files.

One layer a file, batch 1, one thread; medians over rounds in which the files
of a size take turns. The baselines of `QRNN` are Keras's LSTM, which is
exported as a loop, and, where tf_keras is installed, the LSTM operator that
TensorFlow's converter makes of its LSTM. `LocalProjectedAttention` returns a
sequence 4 times shorter than `MultiHeadAttention` does. Parts "alone" are what
no way of writing a layer does without: it cannot be faster.
"""

import importlib.util
import os
import pathlib
import tempfile
import time
import typing

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from absl import app
from absl import flags
from ai_edge_litert.interpreter import Interpreter
from keras import layers

import keras_eff
from benchmarks.layers.parts_alone import attention_products
from benchmarks.layers.parts_alone import depthwise
from benchmarks.layers.parts_alone import pointwise

FLAGS = flags.FLAGS
flags.DEFINE_integer("rounds", 7, "Rounds of latency measurements.")
flags.DEFINE_integer("samples", 32, "Inputs for calibration, comparison.")
flags.DEFINE_list("lengths", "32,128,512", "Of the recurrent layers' inputs.")
flags.DEFINE_list("positions", "128,512,1024", "Of the attention's inputs.")
flags.DEFINE_integer("image_size", 32, "Of the convolutions' inputs.")

FEATURES = 128
_RUNS = 50
_WARMUP_S = 0.25


class File(typing.NamedTuple):
    """A file to measure, and what is known of it.

    Attributes:
        name: String, the layer.
        kind: "float" or "int8", by its weights.
        is_baseline: Boolean, whether it is not ours.
        path: Path of the file.
        partitions: Integer, of the default delegate.
        lsb: Mean difference from the model that was exported, quantized where
            the file is; in steps of the output, None for a float output.
        float_lsb: The same from the float model.
        length: Integer to which the file's open length is set, or None.
    """

    name: str
    kind: str
    is_baseline: bool
    path: pathlib.Path
    partitions: int
    lsb: float | None
    float_lsb: float | None
    length: int | None = None


def float_lsb(model, samples, execution):
    scale = execution.output_scales[0]
    if scale is None:
        return None
    expected = model.predict(samples, batch_size=1, verbose=0)
    return np.abs(execution.delegate[0] - expected).mean() / scale


def exported(name, model, samples, folder, int8=False, baseline=False):
    """The file that keras_eff writes, verified."""
    path = folder / f"{len(os.listdir(folder))}.tflite"
    report = keras_eff.export.to_tflite(
        model, path, "int8" if int8 else None, samples
    )
    execution = keras_eff.export.execute(path, [samples])
    is_open = model.inputs[0].shape[1] is None
    return File(
        name,
        "int8" if int8 else "float",
        baseline,
        path,
        report.delegate_partitions,
        report.mean_lsb,
        float_lsb(model, samples, execution),
        samples.shape[1] if is_open else None,
    )


def fused_lstms(samples, folder):
    """Files of TensorFlow's converter, with an operator for all steps."""
    if importlib.util.find_spec("tf_keras") is None:
        return
    import tf_keras

    inputs = tf_keras.Input(samples.shape[1:], batch_size=1)
    model = tf_keras.Model(inputs, tf_keras.layers.LSTM(FEATURES)(inputs))
    for name, kind in (
        ("fused LSTM", "float"),
        ("fused LSTM, float activations", "int8"),
        ("fused LSTM", "int8"),
    ):
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        if kind == "int8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if (name, kind) == ("fused LSTM", "int8"):
            converter.representative_dataset = lambda: (
                [sample[None]] for sample in samples
            )
            converter.inference_input_type = tf.int8
            converter.inference_output_type = tf.int8
        path = folder / f"{len(os.listdir(folder))}.tflite"
        path.write_bytes(converter.convert())
        execution = keras_eff.export.execute(path, [samples])
        yield File(
            name,
            kind,
            True,
            path,
            execution.delegate_partitions,
            None,
            float_lsb(model, samples, execution),
        )


def functional(layer, shape, calls_with=1):
    inputs = keras.Input(shape)
    return keras.Model(inputs, layer(*[inputs] * calls_with))


def random_samples(shape):
    samples = np.random.default_rng(0).standard_normal((FLAGS.samples, *shape))
    return samples.astype("float32")


def recurrent_files(length, folder):
    samples = random_samples((length, FEATURES))
    lstm, qrnn = (
        layers.LSTM(FEATURES),
        keras_eff.layers.QRNN(FEATURES, 2, "fo"),
    )
    static, dynamic = (length, FEATURES), (None, FEATURES)
    yield exported(
        "LSTM", functional(lstm, static), samples, folder, baseline=True
    )
    yield exported(
        "LSTM, dynamic length",
        functional(lstm, dynamic),
        samples,
        folder,
        baseline=True,
    )
    yield from fused_lstms(samples, folder)
    model = functional(qrnn, static)
    yield exported("QRNN", model, samples, folder)
    yield exported("QRNN", model, samples, folder, int8=True)
    yield exported(
        "QRNN, dynamic length", functional(qrnn, dynamic), samples, folder
    )


def of_both_kinds(models, shape, folder):
    """Files of a baseline and of ours, in float and int8."""
    samples = random_samples(shape)
    for index, (name, model) in enumerate(models.items()):
        for int8 in (False, True):
            yield exported(name, model, samples, folder, int8, index == 0)


def attention_files(positions, folder):
    shape = (positions, FEATURES)
    theirs = layers.MultiHeadAttention(4, 32)
    ours = keras_eff.layers.LocalProjectedAttention(4, 32, group_size=4)
    models = {
        "MultiHeadAttention": functional(theirs, shape, calls_with=2),
        "LocalProjectedAttention": functional(ours, shape),
        "its dense layers alone": functional(
            lambda x: attention_products(x, FEATURES), shape
        ),
    }
    yield from of_both_kinds(models, shape, folder)


def convolution_files(size, folder):
    shape = (size, size, 32)
    steps = [
        keras.Input(shape),
        layers.Conv2D(64, 3, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.Activation("relu6"),
    ]
    ours = keras_eff.layers.DepthwiseSeparable(64, 3, padding="same")
    models = {
        "Conv2D": keras.Sequential(steps),
        "DepthwiseSeparable": functional(ours, shape),
        "its depthwise half alone": functional(depthwise, shape),
        "its pointwise half alone": functional(
            lambda x: pointwise(x, 64), shape
        ),
    }
    yield from of_both_kinds(models, shape, folder)


def milliseconds(file):
    if file.length is None:
        return keras_eff.latency.measure(file.path, 1, _RUNS).median_ms
    # `measure` would set an open length to 1.
    interpreter = Interpreter(str(file.path), num_threads=1)
    index = interpreter.get_input_details()[0]["index"]
    values = random_samples((file.length, FEATURES))[:1]
    interpreter.resize_tensor_input(index, values.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(index, values)
    end = time.perf_counter() + _WARMUP_S
    while time.perf_counter() < end:
        interpreter.invoke()
    times = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        interpreter.invoke()
        times.append(time.perf_counter() - start)
    return np.median(times) * 1e3


def print_rows(size, files):
    times = [
        [milliseconds(file) for file in files] for _ in range(FLAGS.rounds)
    ]
    medians = dict(zip(files, np.median(times, axis=0), strict=True))
    for file, ms in medians.items():
        rivals = [
            other_ms
            for other, other_ms in medians.items()
            if other.is_baseline and other.kind == file.kind
        ]
        lsbs = [
            "" if lsb is None else f"{lsb:.2f}"
            for lsb in (file.lsb, file.float_lsb)
        ]
        against = f"{min(rivals) / ms:.2f}" if rivals else ""
        print(
            f"| {size} | {file.name} | {file.kind} | {ms:.4f} | "
            f"{file.path.stat().st_size:,} | {file.partitions} | {lsbs[0]} | "
            f"{lsbs[1]} | {medians[files[0]] / ms:.2f} | "
            f"{'' if file.is_baseline else against} |",
            flush=True,
        )


def main(_):
    print(
        "| input | layer | weights | ms | bytes | partitions | mean LSB | "
        "from the float model | times faster than the first of its size | "
        "than the fastest baseline of its kind |\n|---|---|---|---|---|---|"
        "---|---|---|---|"
    )
    keras.utils.set_random_seed(0)
    cases = [
        (f"{length} x {FEATURES}", recurrent_files, int(length))
        for length in FLAGS.lengths
    ]
    cases += [
        (f"{positions} x {FEATURES}", attention_files, int(positions))
        for positions in FLAGS.positions
    ]
    size = FLAGS.image_size
    cases.append((f"{size} x {size} x 32", convolution_files, size))
    for title, files, length in cases:
        with tempfile.TemporaryDirectory() as folder:
            print_rows(title, list(files(length, pathlib.Path(folder))))


if __name__ == "__main__":
    app.run(main)
