"""ProFormer: projected words, attention in groups, a transformer block.

Reference:
    - [Sankar et al., 2021](https://arxiv.org/abs/2101.00415)
"""

import keras

import keras_eff

_UNITS = 64
_HEADS = 4
_NORMALIZATIONS = {
    "layer": keras.layers.LayerNormalization,
    "batch": keras.layers.BatchNormalization,
}


def build(
    num_classes: int,
    words: keras_eff.text.Words,
    normalization: str = "layer",
) -> keras.Model:
    """A classifier of the code points of `words`; its outputs are logits.

    `normalization` is "layer", as in the paper, or "batch", with which the
    whole model becomes integers.
    """
    normalize = _NORMALIZATIONS[normalization]
    inputs = keras.Input(words.shape, dtype="int32")
    projection = keras_eff.layers.ProjectionLayer(
        420, values="sign", mask_padding=False
    )
    embedded = keras.layers.Dense(_UNITS)(projection(inputs))
    attention = keras_eff.layers.LocalProjectedAttention(
        _HEADS, _UNITS // _HEADS, group_size=4
    )
    groups = normalize()(attention(embedded))
    encoded = _transformer_block(groups, normalize)
    pooled = keras.layers.GlobalAveragePooling1D()(encoded)
    return keras.Model(inputs, keras.layers.Dense(num_classes)(pooled))


def _transformer_block(x, normalize):
    attention = keras.layers.MultiHeadAttention(_HEADS, _UNITS // _HEADS)
    x = normalize()(keras.layers.Add()([x, attention(x, x)]))
    hidden = keras.layers.Dense(4 * _UNITS, activation="relu")(x)
    output = keras.layers.Dense(_UNITS)(hidden)
    return normalize()(keras.layers.Add()([x, output]))
