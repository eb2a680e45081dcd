import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def dense_file(folder):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    return write(folder / "dense.tflite", convert(model))


@pytest.fixture(scope="session")
def int8_file(folder):
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2),
        ]
    )
    samples = np.random.default_rng(0).normal(size=(4, 1, 8, 8, 1))
    content = convert(
        model,
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=lambda: ([x.astype("f")] for x in samples),
        inference_input_type=tf.int8,
        inference_output_type=tf.int8,
    )
    return write(folder / "int8.tflite", content)


@pytest.fixture(scope="session")
def two_inputs_file(folder):
    ids = keras.Input((3,), dtype="int32")
    features = keras.Input((2,))
    vectors = keras.layers.Embedding(2, 4)(ids)
    flat = keras.layers.Flatten()(vectors)
    outputs = keras.layers.Concatenate()([flat, features])
    model = keras.Model([ids, features], outputs)
    return write(folder / "two_inputs.tflite", convert(model))


@pytest.fixture(scope="session")
def large_file(folder):
    """A weight of 8 MB."""
    model = keras.Sequential([keras.Input((200,)), keras.layers.Dense(10_000)])
    return write(folder / "large.tflite", convert(model))


@pytest.fixture(scope="session")
def bool_file(folder):
    content = convert_function(tf.logical_not, (1, 4), tf.bool)
    return write(folder / "bool.tflite", content)


@pytest.fixture(scope="session")
def string_file(folder):
    content = convert_function(tf.identity, (1, 4), tf.string)
    return write(folder / "string.tflite", content)


@pytest.fixture(scope="session")
def flex_file(folder):
    content = convert_function(tf.linalg.cholesky, (4, 4), tf.float32)
    return write(folder / "flex.tflite", content)


def convert(model, **attributes):
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    for name, value in attributes.items():
        setattr(converter, name, value)
    with warnings.catch_warnings():
        # For int8 it misses statistics that it does not need.
        warnings.simplefilter("ignore", UserWarning)
        return converter.convert()


def convert_function(function, shape, dtype):
    traced = tf.function(lambda x: function(x)).get_concrete_function(
        tf.TensorSpec(shape, dtype)
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced])
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS,
        tf.lite.OpsSet.SELECT_TF_OPS,
    ]
    return converter.convert()


def write(path, content):
    path.write_bytes(content)
    return path
