import numpy as np
import pytest

import keras_eff
from support.text import text_baselines

WORDS = keras_eff.text.Words(4, 6)
TEXTS = ["a b a c", "a b", "d"]


@pytest.fixture(scope="module")
def vocabulary():
    return text_baselines.Vocabulary(WORDS, TEXTS, max_size=4)


def test_most_frequent_words_get_the_ids(vocabulary):
    ids = vocabulary(["a b", "b c new"])
    assert ids.tolist() == [[2, 3, 0, 0], [3, 1, 1, 0]]
    assert ids.dtype == np.int32
    assert vocabulary.size == 4


def test_size_is_that_of_the_words_there_are():
    assert text_baselines.Vocabulary(WORDS, TEXTS).size == 2 + 4


@pytest.mark.parametrize("name", ["pooling", "lstm", "transformer"])
def test_model_becomes_a_file(name, vocabulary, tmp_path):
    model = getattr(text_baselines, f"build_{name}")(5, vocabulary)
    ids = vocabulary(TEXTS)
    assert model.predict(ids, verbose=0).shape == (3, 5)
    path = tmp_path / "file.tflite"
    report = keras_eff.export.to_tflite(model, path, samples=ids)
    assert report.float_tensors


@pytest.mark.parametrize("name", ["pooling", "lstm", "transformer"])
def test_padding_does_not_count(name):
    outputs = []
    for max_words in (2, 4):
        words = keras_eff.text.Words(max_words, 6)
        vocabulary = text_baselines.Vocabulary(words, ["a b"])
        model = getattr(text_baselines, f"build_{name}")(5, vocabulary)
        # The first rows are the same in a longer table of positions.
        weights = [
            np.random.default_rng(index).normal(0, 0.1, weight.shape)
            for index, weight in enumerate(model.get_weights())
        ]
        model.set_weights(weights)
        outputs.append(model.predict(vocabulary(["a b"]), verbose=0))
    np.testing.assert_allclose(*outputs, atol=1e-5)
