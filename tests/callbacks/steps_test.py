import keras
import numpy as np
import pytest

from keras_eff.callbacks import PruningScheduler
from keras_eff.layers import PrunableDense
from keras_eff.schedules import ConstantSparsity
from keras_eff.schedules import PolynomialDecay

RISING = PolynomialDecay(0.0, 0.75, 0, 8)


def test_a_model_built_by_its_first_batch_is_pruned(tiny):
    model = keras.Sequential([PrunableDense(8), keras.layers.Dense(3)])
    model.compile("adam", "mse", jit_compile=False)
    # One update, in the last step.
    tiny.fit(model, PruningScheduler(ConstantSparsity(0.5), 4))
    assert tiny.zeros(model) == 0.5


def test_a_model_built_too_late_for_dense_gradients_is_refused(tiny):
    class Late(keras.Model):
        def build(self, shape):
            self.dense = PrunableDense(3)
            self.dense.build(shape)

        def call(self, x):
            return self.dense(x)

    model = Late()
    model.compile("adam", "mse", jit_compile=False)
    scheduler = PruningScheduler(ConstantSparsity(0.5), 2, regrow="momentum")
    with pytest.raises(ValueError, match="call `model.build.*prunable_dense"):
        tiny.fit(model, scheduler)


@pytest.mark.parametrize("begins", [(), ("on_train_begin",)])
def test_in_a_loop_of_ones_own(tiny, begins):
    model, scheduler = tiny.mlp("adam"), PruningScheduler(RISING, 2)
    scheduler.set_model(model)
    for name in begins:
        getattr(scheduler, name)()
    for step in range(11):
        model.train_on_batch(tiny.x, tiny.y)
        scheduler.on_train_batch_end(step)
    assert tiny.zeros(model) == 0.75
    scheduler.on_train_end()


def test_in_a_loop_that_ends_early_the_end_tells(tiny):
    model, scheduler = tiny.mlp("adam"), PruningScheduler(RISING, 2)
    scheduler.set_model(model)
    for step in range(4):
        model.train_on_batch(tiny.x, tiny.y)
        scheduler.on_train_batch_end(step)
    (message,) = tiny.told(scheduler.on_train_end)
    assert "after step 4" in message


def test_a_loop_without_a_model_is_told_which_call_is_missing():
    for call in (
        lambda s: s.on_epoch_begin(0),
        lambda s: s.on_train_batch_end(0),
        lambda s: s.on_train_end(),
    ):
        with pytest.raises(RuntimeError, match=r"call `set_model\(model\)`"):
            call(PruningScheduler(RISING))


def test_batches_count_where_the_optimizer_of_the_model_makes_no_steps(tiny):
    scheduler = PruningScheduler(RISING, 2)
    for model in (keras.models.clone_model(tiny.mlp()), tiny.mlp()):
        scheduler.set_model(model)
        scheduler.on_epoch_begin(0)
        shares = []
        for batch in range(8):
            logs = {}
            scheduler.on_train_batch_end(batch, logs)
            shares.append(logs["sparsity"])
        asked = [float(RISING(step // 2 * 2)) for step in range(1, 9)]
        np.testing.assert_allclose(shares, asked, atol=0.02)
        # A second training of the same callback counts on.
        scheduler.set_model(model)
        scheduler.on_epoch_begin(0)
        assert scheduler._step == 8
