"""PRADO: projected words, n-gram convolutions, attention pooling.

Reference:
    - [Kaliamoorthi et al., 2019](https://aclanthology.org/D19-1506); without
      the skip-grams, and with attention for each channel.
"""

import keras

import keras_eff

from .attention_pooling import attention_pooling

_NGRAM_SIZES = (1, 2, 3)


def build(num_classes: int, words: keras_eff.text.Words) -> keras.Model:
    """A classifier of the code points of `words`; its outputs are logits."""
    inputs = keras.Input(words.shape, dtype="int32")
    tokens = keras_eff.layers.TokenDistortion()(inputs)
    projection = keras_eff.layers.ProjectionLayer(512, mask_padding=False)
    features = projection(tokens)
    values, scores = _branch(features), _branch(features)
    pooled = [
        attention_pooling(_ngrams(scores, size), _ngrams(values, size), inputs)
        for size in _NGRAM_SIZES
    ]
    pooled = keras.layers.Concatenate()(pooled)
    return keras.Model(inputs, keras.layers.Dense(num_classes)(pooled))


def _branch(features):
    embedded = keras.layers.Dense(64, use_bias=False)(features)
    normalized = keras.layers.BatchNormalization()(embedded)
    return keras.layers.ReLU()(normalized)


def _ngrams(embedded, size):
    convolution = keras.layers.Conv1D(64, size, padding="same", use_bias=False)
    return keras.layers.BatchNormalization()(convolution(embedded))
