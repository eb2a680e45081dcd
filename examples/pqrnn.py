"""pQRNN: projected words, a bottleneck, quasi-recurrent layers.

Reference:
    - [Kaliamoorthi et al., 2021](https://arxiv.org/abs/2101.08890); with
      attention for each channel.
"""

import keras
from attention_pooling import attention_pooling
from keras import ops

import keras_eff

_UNITS = 64


def build(num_classes: int, words: keras_eff.text.Words) -> keras.Model:
    """A classifier of the code points of `words`; its outputs are logits."""
    inputs = keras.Input(words.shape, dtype="int32")
    tokens = keras_eff.layers.TokenDistortion()(inputs)
    features = keras_eff.layers.ProjectionLayer(512)(tokens)
    embedded = keras.layers.Dense(_UNITS, use_bias=False)(features)
    embedded = keras.layers.BatchNormalization()(embedded)
    embedded = keras.layers.ReLU()(embedded)
    present = ops.any(ops.not_equal(inputs, 0), axis=-1)
    # Not `Concatenate`, which would make a mask of every single feature.
    both = ops.concatenate([embedded, _recurrent(embedded, present)], axis=-1)
    values = _recurrent(both, present)
    scores = keras.layers.Dense(values.shape[-1])(values)
    pooled = attention_pooling(scores, values, inputs)
    return keras.Model(inputs, keras.layers.Dense(num_classes)(pooled))


def _recurrent(sequence, mask):
    qrnn = keras_eff.layers.QRNN(_UNITS, return_sequences=True, zoneout=0.1)
    return keras.layers.Bidirectional(qrnn)(sequence, mask=mask)
