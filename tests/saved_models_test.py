"""Models that earlier versions saved, and what they predicted then."""

import pathlib
import warnings

import keras
import numpy as np
import pytest

import keras_eff  # noqa: F401

FOLDER = pathlib.Path(__file__).parent / "saved_models"
PREDICTIONS = np.load(FOLDER / "predictions.npz")
NAMES = sorted(path.stem for path in FOLDER.glob("*.keras"))


@pytest.mark.parametrize("name", NAMES)
def test_a_model_of_version_0_1_0_predicts_what_it_did(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = keras.saving.load_model(FOLDER / f"{name}.keras")
    inputs = PREDICTIONS[f"{name}_inputs"]
    outputs = keras.ops.convert_to_numpy(model(inputs, training=False))
    expected = PREDICTIONS[f"{name}_outputs"]
    assert np.ptp(expected) > 0.05
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
