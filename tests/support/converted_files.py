import dataclasses
import functools
import warnings

import flatbuffers
import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from keras_eff.tflite.flatbuffer import parse
from keras_eff.tflite.model_file import rewrite


@dataclasses.dataclass(frozen=True)
class ConvertedFile:
    """A .tflite file as the TensorFlow converter writes it, and samples."""

    data: bytes
    samples: list[np.ndarray]


def convert_model(model, int8_samples=None, optimizations=()):
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = list(optimizations)
    if int8_samples is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [sample[np.newaxis]] for sample in int8_samples
        )
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return converter.convert()


def conv_int8_file():
    model = keras.Sequential(
        [
            keras.Input((12, 12, 3), batch_size=1),
            keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
            keras.layers.DepthwiseConv2D(3, activation="relu"),
            keras.layers.Conv2D(16, 1),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    samples = random_samples(12, 12, 3)
    return ConvertedFile(convert_model(model, samples), [samples])


def dense_file():
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    return ConvertedFile(convert_model(model), [random_samples(8)])


def lstm_file():
    model = keras.Sequential(
        [keras.Input((6, 4), batch_size=1), keras.layers.LSTM(5)]
    )
    return ConvertedFile(convert_model(model), [random_samples(6, 4)])


def two_outputs_file():
    ids = keras.Input((6,), batch_size=1, dtype="int32")
    embedded = keras.layers.Embedding(20, 4)(ids)
    outputs = [keras.layers.Dense(3)(embedded), keras.ops.sum(ids, axis=1)]
    data = convert_model(keras.Model(ids, outputs))
    samples = np.random.default_rng(0).integers(0, 20, (5, 6), np.int32)
    return ConvertedFile(data, [samples])


def sparse_file():
    model = keras.Sequential(
        [keras.Input((32,), batch_size=1), keras.layers.Dense(16)]
    )
    kernel = model.layers[0].kernel
    is_kept = np.random.default_rng(0).random(kernel.shape) < 0.2
    kernel.assign(kernel * is_kept)
    optimization = tf.lite.Optimize.EXPERIMENTAL_SPARSITY
    data = convert_model(model, optimizations=[optimization])
    return ConvertedFile(data, [random_samples(32)])


def random_samples(*shape):
    generator = np.random.default_rng(0)
    return generator.standard_normal((5, *shape)).astype("float32")


_FILES = {
    "conv_int8": conv_int8_file,
    "dense": dense_file,
    "lstm": lstm_file,
    "two_outputs": two_outputs_file,
    "sparse": sparse_file,
}


@functools.cache
def convert_once(name):
    keras.utils.set_random_seed(0)
    return _FILES[name]()


@pytest.fixture
def outside_file():
    """A file whose kernel lies behind its tables, as in files over 2 GB."""
    model = parse(convert_once("dense").data)
    tensor = model.subgraphs[0].tensors[1]
    kernel = bytes(model.buffers[tensor.buffer].data)
    size = len(pack_as_is(model))
    model.buffers[tensor.buffer] = schema.BufferT(None, size, len(kernel))
    tables = pack_as_is(model)
    return tables + bytes(size - len(tables)) + kernel


def pack_as_is(model):
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def rewritten(data, change, *arguments, **options):
    """The content of a file after a function that changes its model."""
    return rewrite(data, [lambda x: change(x, *arguments, **options)]).data


@pytest.fixture
def convert():
    return convert_model


@pytest.fixture
def converted():
    return convert_once


@pytest.fixture(params=_FILES)
def any_file(request):
    return convert_once(request.param)


__all__ = ["any_file", "convert", "converted", "outside_file"]
