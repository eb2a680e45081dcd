"""The network that teaches those of the survey's experiment.

A residual network of 80 million multiplications an image: a third more than the
survey's teacher has, its widest network, and more accurate.
"""

import keras

_PENALTY = 5e-4
_MOMENTUM = 0.9


def build_teacher(
    image_shape: tuple[int, int, int] = (32, 32, 3),
    num_classes: int = 10,
    width: int = 32,
) -> keras.Model:
    """Returns a network that maps pixels in [0, 255] to logits.

    Args:
        image_shape: Height, width and channels of the images; the first two
            multiples of 8.
        num_classes: Integer, number of logits.
        width: Integer, filters of the first convolution; the others have up to
            8 times as many.
    """
    inputs = keras.Input(image_shape)
    x = keras.layers.Rescaling(1 / 127.5, -1.0)(inputs)
    x = _block(x, width)
    for filters, is_residual in ((2, True), (4, False), (8, True)):
        x = keras.layers.MaxPooling2D()(_block(x, filters * width))
        if is_residual:
            y = _block(_block(x, filters * width), filters * width)
            x = keras.layers.Add()([x, y])
    x = keras.layers.GlobalMaxPooling2D()(x)
    return keras.Model(inputs, _dense(num_classes)(x))


def _block(x, filters):
    x = keras.layers.Conv2D(
        filters,
        3,
        padding="same",
        use_bias=False,
        kernel_regularizer=_penalty(),
    )(x)
    x = keras.layers.BatchNormalization(momentum=_MOMENTUM)(x)
    return keras.layers.ReLU()(x)


def _dense(units):
    return keras.layers.Dense(units, kernel_regularizer=_penalty())


def _penalty():
    return keras.regularizers.L2(_PENALTY)
