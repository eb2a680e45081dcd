"""pQRNN: projected characters, a bottleneck, quasi-recurrent layers.

Reference:
    - [Kaliamoorthi et al., 2021](https://arxiv.org/abs/2101.08890); of
      characters instead of words, so that it reads words that it has not seen;
      densely connected, and with attention for each channel.
"""

import keras
from keras import ops

import keras_eff

from .attention_pooling import attention_pooling

_FEATURES = 64
_UNITS = 32
_WINDOW = 3


def build(
    num_classes: int,
    characters: keras_eff.text.Characters,
    num_layers: int = 1,
) -> keras.Model:
    """A classifier of the code points of a text; its outputs are logits.

    Each layer reads what all before it have made, and so does the classifier.
    """
    inputs = keras.Input(characters.shape, dtype="int32")
    projection = keras_eff.layers.ProjectionLayer(_FEATURES, mask_padding=False)
    embedded = keras.layers.Dense(_UNITS, use_bias=False)(projection(inputs))
    embedded = keras.layers.BatchNormalization()(embedded)
    values = keras.layers.ReLU()(embedded)
    for _ in range(num_layers):
        states = _recurrent(values, ops.not_equal(inputs, 0))
        # Not `Concatenate`, which would make a mask of every single feature.
        values = ops.concatenate([values, states], axis=-1)
    scores = keras.layers.Dense(values.shape[-1])(values)
    pooled = attention_pooling(scores, values, ops.expand_dims(inputs, -1))
    return keras.Model(inputs, keras.layers.Dense(num_classes)(pooled))


def _recurrent(sequence, mask):
    qrnn = keras_eff.layers.QRNN(
        _UNITS, _WINDOW, return_sequences=True, zoneout=0.1
    )
    return keras.layers.Bidirectional(qrnn)(sequence, mask=mask)
