"""SGNN: the characters of a whole text, projected, and dense layers.

Reference:
    - [Ravi and Kozareva, 2018](https://aclanthology.org/D18-1105); 80
      functions of 14 bits, of the n-grams of characters.
"""

import keras

import keras_eff


def build(
    num_classes: int, characters: keras_eff.text.Characters
) -> keras.Model:
    """A classifier of code points, the whole text; its outputs are logits."""
    projection = keras_eff.layers.ProjectionLayer(
        80 * 14, values="binary", ngram_size=4, mask_padding=False
    )
    return keras.Sequential(
        [
            keras.Input(characters.shape, dtype="int32"),
            keras.layers.Reshape((1, *characters.shape)),
            projection,
            keras.layers.Flatten(),
            keras.layers.Dense(256, activation="relu"),
            keras.layers.Dense(256, activation="relu"),
            keras.layers.Dense(num_classes),
        ]
    )
