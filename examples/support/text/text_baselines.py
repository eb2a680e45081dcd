"""Text classifiers with an embedding table: what projections stand against."""

import collections
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

import keras_eff

_DIMENSION = 128
_HEADS = 4


class Vocabulary:
    """Turns text into ids of its words, the most frequent of training texts.

    A text front end outside of the model, as `keras_eff.text.Words` is.

    Args:
        words: `keras_eff.text.Words`, splits a text into words.
        texts: List or array of strings, the training texts.
        max_size: Integer, most ids: 0 is padding, 1 any other word.

    Call arguments:
        texts: List or array of strings.

    Output shape:
        (texts, words), int32; `shape` is that of one text.
    """

    def __init__(
        self,
        words: keras_eff.text.Words,
        texts: Sequence[str],
        max_size: int = 20_000,
    ):
        self._words = words
        self.shape = words.shape[:1]
        counts = collections.Counter(_keys(words(texts)))
        padding = _keys(words([""]))[0]
        del counts[padding]
        frequent = counts.most_common(max_size - 2)
        self._ids = {word: 2 + row for row, (word, _) in enumerate(frequent)}
        self._ids[padding] = 0

    @property
    def size(self) -> int:
        """Integer, the number of ids."""
        return 1 + len(self._ids)

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        ids = [self._ids.get(key, 1) for key in _keys(self._words(texts))]
        return np.array(ids, "int32").reshape(-1, *self.shape)


def _keys(words):
    """The code points of each word, as bytes."""
    return [row.tobytes() for row in words.reshape(-1, words.shape[-1])]


def build_pooling(num_classes: int, vocabulary: Vocabulary) -> keras.Model:
    """The mean of the embeddings of the words."""
    ids, embedded = _embedded(vocabulary)
    pooled = keras.layers.GlobalAveragePooling1D()(embedded)
    return _classifier(ids, pooled, num_classes)


def build_lstm(num_classes: int, vocabulary: Vocabulary) -> keras.Model:
    """The last state of an LSTM."""
    ids, embedded = _embedded(vocabulary)
    state = keras.layers.LSTM(128)(embedded)
    return _classifier(ids, state, num_classes)


def build_transformer(num_classes: int, vocabulary: Vocabulary) -> keras.Model:
    """A transformer block, with positions, and the mean of its outputs."""
    ids, embedded = _embedded(vocabulary)
    places = ops.cumsum(ops.ones_like(ids), axis=1) - 1
    x = keras.layers.Add()(
        [embedded, keras.layers.Embedding(ids.shape[1], _DIMENSION)(places)]
    )
    attention = keras.layers.MultiHeadAttention(_HEADS, _DIMENSION // _HEADS)
    is_word = ops.not_equal(ids, 0)
    attended = attention(x, x, value_mask=is_word)
    x = keras.layers.LayerNormalization()(x + attended)
    hidden = keras.layers.Dense(4 * _DIMENSION, activation="relu")(x)
    output = keras.layers.Dense(_DIMENSION)(hidden)
    x = keras.layers.LayerNormalization()(x + output)
    pooled = keras.layers.GlobalAveragePooling1D()(x, mask=is_word)
    return _classifier(ids, pooled, num_classes)


def _embedded(vocabulary):
    ids = keras.Input(vocabulary.shape, dtype="int32")
    embedding = keras.layers.Embedding(
        vocabulary.size, _DIMENSION, mask_zero=True
    )
    return ids, embedding(ids)


def _classifier(ids, features, num_classes):
    return keras.Model(ids, keras.layers.Dense(num_classes)(features))
