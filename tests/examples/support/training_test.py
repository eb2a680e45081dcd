import keras
import numpy as np
import pytest

from support.image_data import ImageData
from support.training import Schedule
from support.training import train


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (40, 4, 4, 1)).astype("uint8")
    labels = (images.mean((1, 2, 3)) > 127).astype("int32")
    pairs = [
        (images[rows], labels[rows])
        for rows in np.split(np.arange(40), [24, 32])
    ]
    return ImageData(*pairs, num_classes=2)


class Watch(keras.callbacks.Callback):
    """Keeps the rates and the weights at the end of each epoch."""

    def __init__(self):
        super().__init__()
        self.rates, self.weights, self.accuracies = [], [], []

    def on_epoch_end(self, epoch, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate))
        self.weights.append(self.model.get_weights())
        self.accuracies.append(logs["val_accuracy"])


SCHEDULE = Schedule(0.3, 8)


def network():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )


def test_the_best_epoch_in_validation_is_kept(data):
    watch = Watch()
    model = train(
        network(),
        data,
        4,
        SCHEDULE,
        callbacks=[watch],
        jit_compile=False,
    )
    best = watch.weights[int(np.argmax(watch.accuracies))]
    for found, wanted in zip(model.get_weights(), best, strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert watch.rates[0] == pytest.approx(0.15 * (1 + np.cos(np.pi / 4)))
    assert watch.rates[-1] == pytest.approx(0, abs=1e-6)


def test_epochs_before_the_first_are_not_kept(data):
    watch = Watch()
    model = train(
        network(),
        data,
        3,
        SCHEDULE,
        callbacks=[watch],
        first_epoch=2,
        jit_compile=False,
    )
    np.testing.assert_array_equal(model.get_weights()[0], watch.weights[2][0])


def test_only_training_images_are_augmented(data):
    def blank(images):
        return images * 0

    model = train(
        network(),
        data,
        2,
        SCHEDULE,
        augment=blank,
        jit_compile=False,
        verbose=0,
    )
    kernel = network().get_weights()[0]
    # Nothing but the bias learns from images without a pixel.
    np.testing.assert_array_equal(model.get_weights()[0], kernel)


def test_a_training_that_was_stopped_goes_on(data, tmp_path):
    class Stop(Watch):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            if epoch == 2:
                raise KeyboardInterrupt

    options = {"folder": tmp_path / "run", "jit_compile": False, "verbose": 0}
    first, second = Stop(), Watch()
    with pytest.raises(KeyboardInterrupt):
        train(network(), data, 5, SCHEDULE, callbacks=[first], **options)
    model = train(network(), data, 5, SCHEDULE, callbacks=[second], **options)
    # The third epoch was not over.
    assert len(second.rates) == 3
    assert second.rates[0] == first.rates[2]
    assert second.rates[-1] == pytest.approx(0, abs=1e-6)
    accuracies = first.accuracies[:2] + second.accuracies
    weights = first.weights[:2] + second.weights
    best = weights[int(np.argmax(accuracies))]
    for found, wanted in zip(model.get_weights(), best, strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert list(tmp_path.iterdir()) == []


def test_the_rate_rises_before_it_falls(data):
    watch = Watch()
    schedule = Schedule(0.3, 8, warmup=0.5, label_smoothing=0.1)
    options = {"jit_compile": False, "verbose": 0}
    train(network(), data, 4, schedule, callbacks=[watch], **options)
    assert watch.rates[0] == pytest.approx(0.15)
    assert watch.rates[1] == pytest.approx(0.3)
    assert watch.rates[2] == pytest.approx(0.15)
    assert watch.rates[3] == pytest.approx(0, abs=1e-6)


def test_smoothed_labels_are_spread_over_the_classes():
    logits = np.array([[1.0, 2.0, 0.5]], "float32")
    logs = logits - np.log(np.exp(logits).sum())
    wanted = -(logs * [[0.1 / 3, 0.9 + 0.1 / 3, 0.1 / 3]]).sum()
    found = Schedule(1.0, label_smoothing=0.1).loss()(np.array([[1]]), logits)
    np.testing.assert_allclose(found, [wanted], rtol=1e-6)


def test_averaged_weights_are_validated_and_kept(data, tmp_path):
    """A training that is stopped goes on from its own weights."""

    class Steps(keras.callbacks.Callback):
        weights, epochs = [], 0

        def on_train_batch_end(self, batch, logs=None):
            self.weights.append(self.model.get_weights()[0])

        def on_epoch_begin(self, epoch, logs=None):
            self.epochs += 1
            if self.epochs == 2 and not resumed:
                raise KeyboardInterrupt

    steps, resumed = Steps(), False
    schedule = Schedule(0.3, 8, averaging=0.5)
    options = {"jit_compile": False, "verbose": 0, "first_epoch": 1}
    options["folder"] = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(network(), data, 2, schedule, callbacks=[steps], **options)
    resumed = True
    model = train(network(), data, 2, schedule, callbacks=[steps], **options)
    average = steps.weights[0]
    for weight in steps.weights[1:]:
        average = (average + weight) / 2
    np.testing.assert_allclose(model.get_weights()[0], average, rtol=1e-4)
