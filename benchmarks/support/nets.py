"""Three small networks of different make, for 28x28x1 images of 10 classes."""

import keras
from keras import layers


def _conv(x, filters, strides=1):
    x = layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x)
    return layers.BatchNormalization()(x)


def _head(inputs, x):
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def plain():
    inputs = x = keras.Input((28, 28, 1))
    for filters in (8, 16, 32):
        x = layers.ReLU()(_conv(x, filters, 2))
    return _head(inputs, x)


def residual():
    inputs = keras.Input((28, 28, 1))
    x = layers.ReLU()(_conv(inputs, 16, 2))
    for _ in range(2):
        y = layers.ReLU()(_conv(x, 16))
        x = layers.ReLU()(layers.Add()([x, _conv(y, 16)]))
    x = layers.ReLU()(_conv(x, 32, 2))
    return _head(inputs, x)


def separable():
    inputs = keras.Input((28, 28, 1))
    x = layers.Activation("swish")(_conv(inputs, 16, 2))
    for filters in (32, 64):
        x = layers.SeparableConv2D(filters, 3, 2, padding="same")(x)
        x = layers.Activation("swish")(layers.BatchNormalization()(x))
    return _head(inputs, x)


NETS = {"plain": plain, "residual": residual, "separable": separable}


def train(model, data, epochs, learning_rate, callbacks=(), from_logits=False):
    """Trains with a cosine decay to zero; nothing is chosen on test data."""
    images, labels = data
    steps = epochs * -(-len(labels) // 64)
    decay = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    model.compile(keras.optimizers.Adam(decay), loss)
    model.fit(images, labels, 64, epochs, verbose=0, callbacks=list(callbacks))
    return model


def trained_once(path, make):
    """The model in a file; made, trained and kept there if there is none."""
    if not path.exists():
        make().save(path)
    return keras.saving.load_model(path)
