"""How the examples train a classifier of images."""

import contextlib
import dataclasses
import json
import pathlib
import shutil
import tempfile
from collections.abc import Callable
from collections.abc import Sequence

import keras

from .image_data import ImageData

_VALIDATION_BATCH = 256


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How fast a network learns, and towards what.

    Attributes:
        learning_rate: Float, of Adam, at its highest.
        batch_size: Integer, images in a step.
        warmup: Float in [0, 1), the share of the steps in which the rate rises
            from zero; it falls to zero by a cosine in the others.
        label_smoothing: Float in [0, 1), the share of each label that is
            spread over all classes.
        averaging: Float in [0, 1), the momentum of the moving average of the
            weights that is validated and kept; 0 for the weights themselves.
    """

    learning_rate: float
    batch_size: int = 32
    warmup: float = 0.0
    label_smoothing: float = 0.0
    averaging: float = 0.0

    def optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        """Adam for so many steps."""
        rising = round(self.warmup * steps)
        start = 0.0 if rising else self.learning_rate
        rate = keras.optimizers.schedules.CosineDecay(
            start,
            steps - rising,
            warmup_target=self.learning_rate if rising else None,
            warmup_steps=rising,
        )
        if not self.averaging:
            return keras.optimizers.Adam(rate)
        return keras.optimizers.Adam(
            rate, use_ema=True, ema_momentum=self.averaging
        )

    def loss(self) -> Callable:
        """Of integer labels and logits."""
        if not self.label_smoothing:
            return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return self._smoothed

    def _smoothed(self, labels, logits):
        labels = keras.ops.one_hot(
            keras.ops.reshape(keras.ops.cast(labels, "int32"), (-1,)),
            logits.shape[-1],
        )
        return keras.losses.categorical_crossentropy(
            labels,
            logits,
            from_logits=True,
            label_smoothing=self.label_smoothing,
        )


def train(
    model: keras.Model,
    data: ImageData,
    epochs: int,
    schedule: Schedule,
    augment: Callable | None = None,
    dataset: keras.utils.PyDataset | None = None,
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
        schedule: `Schedule`.
        augment: Layer, or function of a batch of images.
        dataset: Batches to train on in place of the training images.
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
    batch_size = schedule.batch_size
    batches = -(-len(data.train[0]) // batch_size)
    model.compile(
        schedule.optimizer(epochs * batches),
        schedule.loss(),
        metrics=[keras.metrics.SparseCategoricalAccuracy("accuracy")],
        jit_compile=jit_compile,
    )
    given = {"x": dataset}
    if dataset is None:
        given = _inputs(data.train, batch_size, augment)
    averaging = []
    if schedule.averaging:
        averaging = [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)]
    with _resumable(folder) as place:
        model.fit(
            **given,
            epochs=epochs,
            validation_data=data.validation,
            validation_batch_size=_VALIDATION_BATCH,
            # In this order: what is resumed is the training's own weights, the
            # best are the averaged ones.
            callbacks=[
                *callbacks,
                keras.callbacks.BackupAndRestore(
                    place / "latest", double_checkpoint=True
                ),
                *averaging,
                _BestEpoch(place, first_epoch),
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
