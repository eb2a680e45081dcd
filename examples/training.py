"""How the examples train a classifier of images."""

from collections.abc import Callable
from collections.abc import Sequence

import keras
from image_data import ImageData

_VALIDATION_BATCH = 256


def train(
    model: keras.Model,
    data: ImageData,
    epochs: int,
    learning_rate: float,
    batch_size: int = 32,
    augment: Callable | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    first_epoch: int = 0,
    jit_compile: bool | str = "auto",
    verbose: int = 1,
) -> keras.Model:
    """Trains, and keeps the epoch that is best on the validation images.

    Args:
        model: Built model that returns logits. It is compiled anew.
        data: The images.
        epochs: Integer, of the training.
        learning_rate: Float, where a cosine decay to zero begins.
        batch_size: Integer, images in a step.
        augment: Layer, or function of a batch of images.
        callbacks: More of them.
        first_epoch: Integer, the first epoch that may be kept, from 0.
        jit_compile: As in `compile`.
        verbose: As in `fit`.

    Returns:
        The model.
    """
    steps = epochs * -(-len(data.train[0]) // batch_size)
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    best = keras.callbacks.EarlyStopping(
        "val_accuracy",
        patience=epochs,
        restore_best_weights=True,
        start_from_epoch=first_epoch,
    )
    model.compile(
        keras.optimizers.Adam(rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=jit_compile,
    )
    model.fit(
        **_inputs(data.train, batch_size, augment),
        epochs=epochs,
        validation_data=data.validation,
        validation_batch_size=_VALIDATION_BATCH,
        callbacks=[*callbacks, best],
        verbose=verbose,
    )
    return model


def _inputs(pair, batch_size, augment):
    """Arguments of `fit`."""
    images, labels = pair
    if augment is None:
        return {"x": images, "y": labels, "batch_size": batch_size}
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices((images, labels))
    dataset = dataset.shuffle(len(labels)).batch(batch_size)
    augmented = dataset.map(
        lambda x, y: (augment(tf.cast(x, "float32")), y), tf.data.AUTOTUNE
    )
    return {"x": augmented.prefetch(tf.data.AUTOTUNE), "shuffle": False}
