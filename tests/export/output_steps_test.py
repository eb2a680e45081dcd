import keras
import numpy as np
import pytest

import keras_eff
from keras_eff.export.output_steps import output_steps

SAMPLES = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])


def test_floats_made_of_integers_have_their_step(model, tmp_path):
    steps = []
    for io_dtype in ("int8", "float32"):
        path = tmp_path / f"{io_dtype}.tflite"
        keras_eff.export.to_tflite(
            model, path, "int8", SAMPLES, io_dtype=io_dtype
        )
        steps.append(output_steps(path))
    (scale,) = (
        t.scale
        for t in keras_eff.export.inspect(tmp_path / "int8.tflite").outputs
    )
    assert steps == [[scale], [scale]]


def test_floats_have_none(model, tmp_path):
    keras_eff.export.to_tflite(model, tmp_path / "m.tflite", samples=SAMPLES)
    assert output_steps(tmp_path / "m.tflite") == [None]
