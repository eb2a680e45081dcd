import keras
import pytest

from keras_eff.callbacks import PruningScheduler
from keras_eff.schedules import ConstantSparsity
from keras_eff.schedules import PolynomialDecay

RISING = PolynomialDecay(0.0, 0.75, 0, 8)


def sparsities(spy):
    return [logs["sparsity"] for logs in spy.logs]


@pytest.fixture
def pruned(tiny):
    model = tiny.mlp("adam")
    tiny.fit(model, PruningScheduler(RISING, 2), epochs=2)
    assert tiny.zeros(model) == 0.75
    return model


@pytest.mark.parametrize("distribution", ["uniform", "global", "erk"])
def test_a_fresh_optimizer_gives_no_weights_back(tiny, pruned, distribution):
    masks = tiny.masks(pruned)
    pruned.compile("adam", "mse", jit_compile=False)
    scheduler = PruningScheduler(RISING, 2, distribution=distribution)
    spy = tiny.fit(pruned, scheduler, epochs=2)
    assert min(sparsities(spy)) == 0.75
    for after, before in zip(spy.masks[2], masks, strict=True):
        assert not (after & ~before).any()


def test_weights_loaded_before_and_in_a_training_stay_pruned(tiny, pruned):
    weights = pruned.get_weights()

    class Load(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == self.epoch:
                self.model.set_weights(weights)

    late = PolynomialDecay(0.0, 0.75, 4, 12)
    for epoch in (0, 1):
        load = Load()
        load.epoch = epoch
        callbacks = [load, PruningScheduler(late, 1)]
        spy = tiny.fit(tiny.mlp("adam"), *callbacks, epochs=3)
        assert set(sparsities(spy)[4 * epoch :]) == {0.75}


def test_a_schedule_that_asks_for_less_says_that_it_does_not_get_it(
    tiny, pruned
):
    pruned.compile("sgd", "mse", jit_compile=False)
    less = PruningScheduler(ConstantSparsity(0.5), 2)
    (message,) = tiny.told(lambda: tiny.fit(pruned, less))
    assert "asks for a sparsity of 0.5 where the model has 0.75" in message
    assert tiny.zeros(pruned) == 0.75
    less.apply(pruned)
    assert sum(mask.sum() for mask in tiny.masks(pruned)) == 36
    assert not tiny.told(lambda: tiny.fit(pruned, less))


def test_a_schedule_that_falls_gives_weights_back(tiny):
    falling = PruningScheduler(lambda step: 0.75 - step / 16, 2)
    model = tiny.mlp("adam")
    first = tiny.fit(model, falling)
    second = tiny.fit(model, falling)
    expected = [0.75, 0.625, 0.625, 0.5, 0.5, 0.375, 0.375, 0.25]
    assert sparsities(first) + sparsities(second) == expected


def test_weights_are_exchanged_after_a_fresh_start(tiny, pruned):
    pruned.compile("adam", "mse", jit_compile=False)
    scheduler = PruningScheduler(RISING, 2, regrow="random")
    masks = tiny.masks(pruned)
    spy = tiny.fit(pruned, scheduler, epochs=2)
    assert set(sparsities(spy)) == {0.75}
    assert any(
        (after & ~before).any()
        for after, before in zip(spy.masks[-1], masks, strict=True)
    )
