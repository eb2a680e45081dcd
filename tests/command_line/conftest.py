import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_eff
from keras_eff.command_line import main


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """model.keras, x.npy, float.tflite, int8.tflite, cut.tflite."""
    folder = tmp_path_factory.mktemp("files")
    keras.utils.set_random_seed(0)
    layers = keras.layers.Dense(8, activation="relu"), keras.layers.Dense(3)
    model = keras.Sequential([keras.Input((4,), name="x"), *layers])
    model.save(folder / "model.keras")
    samples = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
    np.save(folder / "x.npy", samples)
    to_tflite = keras_eff.export.to_tflite
    to_tflite(model, folder / "float.tflite", samples=samples)
    to_tflite(model, folder / "int8.tflite", "int8", samples)
    content = (folder / "float.tflite").read_bytes()
    (folder / "cut.tflite").write_bytes(content[:500])
    return folder


@pytest.fixture
def here(folder, monkeypatch):
    """Runs in the folder with the files."""
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def two_inputs(folder):
    """two.keras, two.tflite, with inputs `ids` and `amounts`."""
    keras.utils.set_random_seed(0)
    ids = keras.Input((3,), dtype="int32", name="ids")
    amounts = keras.Input((2,), name="amounts")
    vectors = keras.layers.Flatten()(keras.layers.Embedding(5, 2)(ids))
    joined = keras.layers.Concatenate()([vectors, amounts])
    model = keras.Model([ids, amounts], keras.layers.Dense(2)(joined))
    model.save(folder / "two.keras")
    keras_eff.export.to_tflite(model, folder / "two.tflite")
    generator = np.random.default_rng(0)
    return {
        "ids": generator.integers(0, 5, (6, 3), "int32"),
        "amounts": generator.normal(size=(6, 2)).astype("float32"),
    }


@pytest.fixture
def run(capsys):
    """Runs the command line; returns its exit code, output and messages."""

    def call(*arguments):
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def start():
    """Runs a process of Python, without a log level for TensorFlow."""

    def call(*arguments, **options):
        environment = dict(os.environ)
        environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
        return subprocess.run(
            [sys.executable, "-P", *map(str, arguments)],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
            **options,
        )

    return call
