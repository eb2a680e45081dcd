import keras
import numpy as np
import pytest

import keras_eff
from keras_eff.export.formats import FORMATS
from keras_eff.export.lost_layers import lost_layers
from keras_eff.export.lost_layers import way_out

SAMPLES = np.random.default_rng(0).normal(size=(16, 8)).astype("float32")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Dense(16, activation="relu", name="good"),
        keras.layers.Dense(16, activation="relu", name="culprit"),
        keras.layers.Dense(3, name="after"),
    ]
    return keras.Sequential([keras.Input((8,)), *layers])


def test_the_layer_with_a_range_that_is_wrong_is_named(model, tmp_path):
    aware = keras_eff.calibrate(keras_eff.quantize(model), SAMPLES)
    aware.get_layer("culprit_fake_quant").set_range(0.0, 100.0)
    path = tmp_path / "m.tflite"
    keras_eff.export.to_tflite(aware, path, samples=SAMPLES, min_agreement=0.0)
    text = lost_layers(model, path, [SAMPLES])
    assert text.startswith("Most signal is lost in 'culprit")
    assert "'good" not in text


def test_nothing_is_said_of_what_cannot_be_told(model, tmp_path):
    (tmp_path / "m.tflite").write_bytes(b"damaged")
    assert lost_layers(model, tmp_path / "m.tflite", [SAMPLES]) == ""
    assert lost_layers(model, tmp_path / "missing.tflite", [SAMPLES]) == ""


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_has_a_way_out(name):
    assert way_out(name, is_aware=False).startswith("What to do: ")
    assert f'use another format, such as "{name}"' not in way_out(name, False)


def test_the_way_out_of_an_aware_model_is_training(model):
    assert "train the model on" in way_out("int8", is_aware=True)
