import importlib.util
import os
import subprocess
import sys

import keras
import pytest

import keras_eff
from keras_eff.command_line.main import main
from keras_eff.export.arguments import check_backend

WAY_OUT = "KERAS_BACKEND=tensorflow.*Received: backend 'jax'"


def dense():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])


DOORS = {
    "keras_eff.export.to_tflite": lambda: keras_eff.export.to_tflite(
        dense(), "no/such/folder/m.tflite"
    ),
    "keras_eff.export.to_edgetpu": lambda: keras_eff.export.to_edgetpu(
        dense(), "m_edgetpu.tflite", num_segments=0
    ),
    "keras_eff.tuning.measure_trial": lambda: keras_eff.tuning.measure_trial(
        dense(), max_latency_ms=-1.0
    ),
    "keras_eff.plan_channels": lambda: keras_eff.plan_channels(
        dense(), max_latency_ms=1.0
    ),
}


@pytest.mark.parametrize("door", DOORS)
def test_another_backend_is_refused_before_anything_else(door, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match=f"`{door}.*{WAY_OUT}"):
        DOORS[door]()


def test_the_command_refuses_it_before_it_loads_a_model(monkeypatch, capsys):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert main(["convert", "no_such.keras", "m.tflite"]) == 1
    error = capsys.readouterr().err
    assert "`keras-eff convert` needs the TensorFlow backend" in error


def test_tensorflow_is_taken():
    check_backend("this")


@pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="JAX is not installed"
)
def test_jax_itself_is_refused():
    program = (
        "import keras, keras_eff\n"
        "model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])\n"
        "keras_eff.export.to_tflite(model, 'm.tflite')\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 1
    assert "RuntimeError: `keras_eff.export.to_tflite`" in finished.stderr
    assert "Received: backend 'jax'" in finished.stderr
