import pathlib

import pqrnn
import pytest

import keras_eff

FRONT_END = keras_eff.text.Words(8, 6)
TEXTS = ["one text", "and another with more than eight words in it", ""]


@pytest.fixture(scope="module")
def model():
    return pqrnn.build(5, FRONT_END)


def test_output_is_a_logit_for_each_class(model):
    assert model.predict(FRONT_END(TEXTS), verbose=0).shape == (3, 5)
    assert model.layers[-1].activation.__name__ == "linear"


def test_all_of_it_becomes_integers(model):
    assert not keras_eff.coverage(model).floats


def test_file_is_at_most_80_lines():
    assert len(pathlib.Path(pqrnn.__file__).read_text().splitlines()) <= 80
