import keras
import numpy as np
import pytest

import keras_eff
from keras_eff.export.formats import FORMATS
from keras_eff.export.verification import lost_layers
from keras_eff.export.verification import way_out

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
    text = lost_layers(model, path, [SAMPLES], [0])
    assert text.startswith("Most signal is lost in 'culprit")
    assert "'good" not in text


def test_nothing_is_said_of_what_cannot_be_told(model, tmp_path):
    (tmp_path / "m.tflite").write_bytes(b"damaged")
    assert lost_layers(model, tmp_path / "m.tflite", [SAMPLES], [0]) == ""
    assert lost_layers(model, tmp_path / "missing.tflite", [SAMPLES], [0]) == ""


def test_only_layers_before_a_wrong_output_are_named(tmp_path):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8,))
    shared = keras.layers.Dense(16, activation="relu", name="shared")(inputs)
    names = ("bad", "worse")
    heads = [keras.layers.Dense(3, name=name)(shared) for name in names]
    model = keras.Model(inputs, heads)
    aware = keras_eff.calibrate(keras_eff.quantize(model), SAMPLES)
    aware.get_layer("bad_fake_quant").set_range(-100.0, 100.0)
    aware.get_layer("worse_fake_quant").set_range(-1000.0, 1000.0)
    path = tmp_path / "m.tflite"
    keras_eff.export.to_tflite(aware, path, samples=SAMPLES, min_agreement=0.0)
    worst = keras_eff.export.debug(model, path, SAMPLES).worst(1)[0]
    assert (worst.layer, worst.outputs) == ("worse", (1,))
    text = lost_layers(model, path, [SAMPLES], [0])
    assert "'bad'" in text and "'worse'" not in text
    assert "'bad'" in lost_layers(model, path, [SAMPLES], [0, 1])


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_has_a_way_out(name):
    assert way_out(name, is_aware=False).startswith("What to do: ")
    assert f'use another format, such as "{name}"' not in way_out(name, False)


def test_the_way_out_of_an_aware_model_is_training(model):
    assert "train the model on" in way_out("int8", is_aware=True)
