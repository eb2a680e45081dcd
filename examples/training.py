"""How the examples train a classifier of images."""

import contextlib
import json
import pathlib
import shutil
import tempfile
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
    folder: pathlib.Path | None = None,
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
        folder: Path of a folder for what lets the same call, in another
            process, go on at the epoch where this one was stopped. It is
            removed in the end. None to begin again.
        jit_compile: As in `compile`.
        verbose: As in `fit`.

    Returns:
        The model.
    """
    steps = epochs * -(-len(data.train[0]) // batch_size)
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    model.compile(
        keras.optimizers.Adam(rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=jit_compile,
    )
    with _resumable(folder) as place:
        model.fit(
            **_inputs(data.train, batch_size, augment),
            epochs=epochs,
            validation_data=data.validation,
            validation_batch_size=_VALIDATION_BATCH,
            callbacks=[
                *callbacks,
                _BestEpoch(place, first_epoch),
                keras.callbacks.BackupAndRestore(
                    place / "latest", double_checkpoint=True
                ),
            ],
            verbose=verbose,
        )
    return model


@contextlib.contextmanager
def _resumable(folder):
    """A folder that is gone in the end, and stays after an interruption."""
    if folder is None:
        with tempfile.TemporaryDirectory() as place:
            yield pathlib.Path(place)
        return
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    shutil.rmtree(folder)


class _BestEpoch(keras.callbacks.Callback):
    """Ends with the weights of the epoch that is best in validation."""

    def __init__(self, folder, first_epoch):
        super().__init__()
        self._weights = folder / "best.weights.h5"
        self._draft = folder / "draft.weights.h5"
        self._score = folder / "best.json"
        self._first_epoch = first_epoch

    def on_epoch_end(self, epoch, logs=None):
        accuracy = logs["val_accuracy"]
        if epoch < self._first_epoch or accuracy <= self._best():
            return
        self.model.save_weights(self._draft, overwrite=True)
        self._draft.replace(self._weights)
        self._score.write_text(json.dumps(accuracy))

    def on_train_end(self, logs=None):
        self.model.load_weights(self._weights)

    def _best(self):
        if not self._score.exists():
            return -1.0
        return json.loads(self._score.read_text())


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
