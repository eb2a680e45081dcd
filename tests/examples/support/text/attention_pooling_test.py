import keras
import numpy as np
from keras import ops

import keras_eff
from support.text.attention_pooling import attention_pooling


def arrays():
    generator = np.random.default_rng(0)
    scores, values = generator.normal(size=(2, 3, 5, 4)).astype("float32")
    words = np.ones((3, 5, 2), "int32")
    words[1, 3:] = 0
    words[2, 1:] = 0
    # A word whose first code point alone is there.
    words[0, 4, 1] = 0
    return scores, values, words


def loop(scores, values, words):
    pooled = np.zeros((3, 4))
    for row, channel in np.ndindex(pooled.shape):
        absent = ~words[row].any(-1)
        weights = np.exp(scores[row, :, channel] - 10 * absent)
        weighted = weights * values[row, :, channel]
        pooled[row, channel] = weighted.sum() / weights.sum()
    return pooled


def test_pooled_values_are_those_of_a_loop():
    pooled = ops.convert_to_numpy(attention_pooling(*arrays()))
    np.testing.assert_allclose(pooled, loop(*arrays()), rtol=1e-5, atol=1e-6)


def test_padding_hardly_counts():
    scores, values, words = arrays()
    others = np.where(words.any(-1, keepdims=True), values, 5.0)
    first, second = (
        ops.convert_to_numpy(attention_pooling(scores, v, words))
        for v in (values, others)
    )
    np.testing.assert_allclose(first, second, atol=0.05)


def test_all_of_it_becomes_integers():
    words = keras.Input((5, 2), dtype="int32")
    scores, values = keras.Input((5, 4)), keras.Input((5, 4))
    pooled = attention_pooling(scores, values, words)
    model = keras.Model([scores, values, words], pooled)
    assert not keras_eff.coverage(model).floats
