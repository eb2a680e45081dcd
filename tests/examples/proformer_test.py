import pathlib

import proformer
import pytest

import keras_eff

WORDS = keras_eff.text.Words(8, 6)
TEXTS = ["one text", "and another with more than eight words in it", ""]


@pytest.fixture(scope="module", params=["layer", "batch"])
def normalization(request):
    return request.param


@pytest.fixture(scope="module")
def model(normalization):
    return proformer.build(5, WORDS, normalization)


def test_output_is_a_logit_for_each_class(model):
    assert model.predict(WORDS(TEXTS), verbose=0).shape == (3, 5)
    assert model.layers[-1].activation.__name__ == "linear"


def test_only_layer_normalization_stays_float(model, normalization):
    floats = set(keras_eff.coverage(model).floats.values())
    expected = {"layer": {"LayerNormalization"}, "batch": set()}
    assert floats == expected[normalization]


def test_file_is_at_most_80_lines():
    text = pathlib.Path(proformer.__file__).read_text()
    assert len(text.splitlines()) <= 80
