"""The convolutional networks of the survey's experiment on CIFAR-10.

Two convolutions of 32 filters, two of 64 and two of 128, with a pooling after
each two, a dense layer of 512, and the classes. A width multiplies all but the
first 32.

Reference:
    - [Menghani, 2021](https://arxiv.org/abs/2106.08962), section 4
"""

import dataclasses

import keras

from keras_eff.layers import DepthwiseSeparable

WIDTHS = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
TEACHER_WIDTH = 1.4
# Of networks for 32x32x3 images of 10 classes.
NUM_PARAMETERS = {
    0.05: 14_713,
    0.1: 26_044,
    0.25: 98_570,
    0.5: 350_058,
    0.75: 764_874,
    1.0: 1_343_018,
    1.4: 2_606_654,
}
# The dense layer that most of the weights are in.
HIDDEN = "hidden"

_PENALTY = 1e-4
# With Keras's 0.99, statistics lag behind the weights in short runs.
_MOMENTUM = 0.9


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How the survey trains a width.

    Attributes:
        learning_rate: Float, of Adam.
        dropout: Float in [0, 1), of the two last layers' inputs.
        translates: Whether augmentation moves images besides flipping them.
    """

    learning_rate: float
    dropout: float
    translates: bool


def recipe(width: float) -> Recipe:
    """The survey's settings for a width."""
    return Recipe(
        learning_rate=1e-3 if width >= 0.75 else 5e-3,
        dropout=0.0 if width <= 0.05 else 0.15,
        translates=width >= 0.25,
    )


def build(
    width: float,
    image_shape: tuple[int, int, int] = (32, 32, 3),
    num_classes: int = 10,
    variant: str = "survey",
) -> keras.Model:
    """Returns a network that maps pixels in [0, 255] to logits.

    Args:
        width: Float, the multiplier.
        image_shape: Height, width and channels of the images.
        num_classes: Integer, number of logits.
        variant: "survey": the normalization after the ReLU, where it does not
            fold into the convolution; "bn_first": before it, where it does;
            "separable": as that, with `DepthwiseSeparable` in place of all
            convolutions but the first.
    """
    dropout = recipe(width).dropout
    inputs = keras.Input(image_shape)
    x = keras.layers.Rescaling(1 / 127.5, -1.0)(inputs)
    for filters in (32, round(64 * width), round(128 * width)):
        for _ in range(2):
            x = _CONVOLUTIONS[variant](x, filters)
        x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dropout(dropout)(x)
    x = keras.layers.Dense(
        round(512 * width),
        activation="relu",
        kernel_regularizer=_penalty(),
        name=HIDDEN,
    )(x)
    x = keras.layers.Dropout(dropout)(x)
    x = keras.layers.Dense(num_classes, kernel_regularizer=_penalty())(x)
    return keras.Model(inputs, x)


def _penalty():
    return keras.regularizers.L2(_PENALTY)


def _convolution(x, filters):
    return keras.layers.Conv2D(
        filters, 3, padding="same", kernel_regularizer=_penalty()
    )(x)


def _normalization(x):
    return keras.layers.BatchNormalization(momentum=_MOMENTUM)(x)


def _survey(x, filters):
    return _normalization(keras.layers.ReLU()(_convolution(x, filters)))


def _bn_first(x, filters):
    return keras.layers.ReLU()(_normalization(_convolution(x, filters)))


def _separable(x, filters):
    # Of three channels, a full convolution costs as little.
    if x.shape[-1] <= 3:
        return _bn_first(x, filters)
    return DepthwiseSeparable(
        filters,
        3,
        padding="same",
        activation="relu",
        momentum=_MOMENTUM,
        pointwise_regularizer=_penalty(),
    )(x)


_CONVOLUTIONS = {
    "survey": _survey,
    "bn_first": _bn_first,
    "separable": _separable,
}
