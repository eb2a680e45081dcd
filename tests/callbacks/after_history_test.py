import keras
import numpy as np
import pytest

from keras_eff.callbacks import PruningScheduler
from keras_eff.callbacks.after_history import after_history
from keras_eff.schedules import PolynomialDecay

RISING = PolynomialDecay(0.0, 0.75, 0, 8)


class Restore(keras.callbacks.Callback):
    """Gives the model the weights of the first epoch in the end."""

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 0:
            self.weights = self.model.get_weights()

    def on_train_end(self, logs=None):
        self.model.set_weights(self.weights)


def stopping():
    """The first epoch is the best, as it is the least sparse."""
    return keras.callbacks.EarlyStopping(
        "sparsity", mode="min", patience=1, restore_best_weights=True
    )


@pytest.mark.parametrize(
    "restores, is_first", [(Restore, True), (Restore, False), (stopping, True)]
)
def test_restored_weights_of_an_earlier_epoch_are_told(
    tiny, restores, is_first
):
    model = tiny.mlp("adam")
    callbacks = [PruningScheduler(RISING, 2), restores()]
    if not is_first:
        callbacks.reverse()
    (message,) = tiny.told(lambda: tiny.fit(model, *callbacks, epochs=3))
    assert 0.6 < 1 - np.mean(np.concatenate(tiny.masks(model), None)) < 0.7
    assert "asks for a sparsity of 0.75, and the model has 0.6" in message
    assert tiny.zeros(model) > 0.6
    assert "on_train_end" not in vars(model.history)


def test_a_training_of_unknown_length_that_ends_early_is_told(tiny):
    def batches():
        for start in range(0, 32, 8):
            yield tiny.x[start : start + 8], tiny.y[start : start + 8]

    def fit(end):
        schedule = PolynomialDecay(0.0, 0.75, 0, end)
        scheduler = PruningScheduler(schedule, 1)
        model = tiny.mlp("adam")
        return tiny.told(
            lambda: model.fit(
                batches(), verbose=0, shuffle=False, callbacks=[scheduler]
            )
        )

    (message,) = fit(8)
    assert "did not finish" in message and "after step 4" in message
    assert not fit(4)


def test_the_actions_of_several_callbacks_all_run():
    model, done = keras.Sequential(), []
    model.history = keras.callbacks.History()
    after_history(model, lambda: done.append("first"))
    after_history(model, lambda: done.append("second"))
    for _ in range(2):
        model.history.on_train_end()
    assert done == ["first", "second"]
