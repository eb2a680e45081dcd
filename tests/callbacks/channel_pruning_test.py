import keras
import numpy as np
import pytest

import keras_eff
from keras_eff.callbacks import ChannelPruning
from keras_eff.schedules import ConstantSparsity
from keras_eff.schedules import PolynomialDecay

RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 6, 6, 3)).astype("float32")
Y = RNG.integers(0, 4, 96)


def network():
    """A residual network: the first and the last convolution are tied."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(8, 3, padding="same", name="stem")(inputs)
    x = keras.layers.BatchNormalization()(x)
    y = keras.layers.ReLU()(x)
    y = keras.layers.Conv2D(6, 1, activation="swish", name="inner")(y)
    y = keras.layers.Conv2D(8, 1, name="outer")(y)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Add()([x, y]))
    model = keras.Model(inputs, keras.layers.Dense(4)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=False)
    return model


@pytest.fixture(scope="module")
def trained():
    """A model after six steps, two of them since the last update; its log."""
    model = network()
    schedule = PolynomialDecay(0.0, 0.5, 0, 4)
    pruning = ChannelPruning(schedule, interval=4)
    fit = model.fit(X, Y, 16, 1, verbose=0, callbacks=[pruning])
    return model, fit.history


def is_zero(variable, axis=-1):
    value = np.moveaxis(keras.ops.convert_to_numpy(variable), axis, 0)
    return ~value.reshape(len(value), -1).any(1)


def test_the_share_of_the_schedule_is_silent_in_each_layer(trained):
    model, _ = trained
    assert is_zero(model.get_layer("stem").kernel).sum() == 4
    assert is_zero(model.get_layer("inner").kernel).sum() == 3


def test_tied_layers_lose_the_same_channels_whole(trained):
    model, _ = trained
    stem, outer = model.get_layer("stem"), model.get_layer("outer")
    (norm,) = (
        x for x in model.layers if type(x).__name__ == "BatchNormalization"
    )
    silent = is_zero(stem.kernel)
    for variable in (stem.bias, norm.gamma, norm.beta, outer.kernel):
        np.testing.assert_array_equal(is_zero(variable), silent)


def test_removal_leaves_what_the_model_computes(trained):
    model, _ = trained
    smaller = keras_eff.remove_channels(model)
    assert smaller.get_layer("stem").filters == 4
    assert smaller.get_layer("inner").filters == 3
    np.testing.assert_allclose(smaller(X), model(X), atol=1e-5)


def test_the_share_of_all_channels_is_logged(trained):
    _, history = trained
    assert history["channel_sparsity"] == [pytest.approx(7 / 18)]


def test_training_goes_on_from_what_is_silent():
    model = network()
    first = ChannelPruning(ConstantSparsity(0.5))
    model.fit(X, Y, 16, 1, verbose=0, callbacks=[first])
    silent = is_zero(model.get_layer("stem").kernel)
    again = ChannelPruning(ConstantSparsity(0.5))
    model.fit(X, Y, 16, 1, verbose=0, callbacks=[again])
    np.testing.assert_array_equal(
        is_zero(model.get_layer("stem").kernel), silent
    )


def test_skip_keeps_the_channels_of_a_layer():
    model = network()
    pruning = ChannelPruning(ConstantSparsity(0.5), skip="inner")
    model.fit(X[:16], Y[:16], 16, 1, verbose=0, callbacks=[pruning])
    assert not is_zero(model.get_layer("inner").kernel).any()
    assert is_zero(model.get_layer("stem").kernel).sum() == 4


def narrow(optimizer=None, built=True, **options):
    """A layer of channels with a gradient at zero, behind it a constant."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            *([keras.Input((5,))] if built else []),
            keras.layers.Dense(8, "swish", name="wide", **options),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(4),
        ]
    )
    model.compile(optimizer or "adam", "mse", jit_compile=False)
    return model


ROWS = RNG.normal(size=(64, 5)).astype("float32")
TARGETS = RNG.normal(size=(64, 4)).astype("float32")


def half(end_step=6, **options):
    schedule = PolynomialDecay(0.0, 0.5, 0, end_step)
    return ChannelPruning(schedule, interval=3, **options)


def train(model, *callbacks, epochs=2, **options):
    """Eight steps; returns what `fit` logs."""
    return model.fit(
        *(ROWS, TARGETS, 16, epochs),
        verbose=0,
        callbacks=list(callbacks),
        **options,
    ).history


def num_silent(model):
    return is_zero(model.get_layer("wide").kernel).sum()


def told(recwarn):
    found = [str(w.message) for w in recwarn if w.category is UserWarning]
    recwarn.clear()
    return found


def test_silent_channels_stay_so_in_every_later_training(tmp_path, recwarn):
    model = narrow(kernel_constraint=keras.constraints.MaxNorm(0.1))
    train(model, half())
    train(model)
    assert num_silent(model) == 4
    model.compile("adam", "mse", jit_compile=False)
    train(model)
    assert keras_eff.remove_channels(model).get_layer("wide").units == 4
    # The constraint of the layer is still there.
    norms = np.linalg.norm(model.get_layer("wide").kernel.numpy(), axis=0)
    assert norms.max() < 0.1 + 1e-6
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    loaded.compile("adam", "mse", jit_compile=False)
    saliency = RNG.uniform
    again = half(1000, saliency=lambda group: saliency(size=len(group.roots)))
    log = train(loaded, again)["channel_sparsity"]
    assert log == [pytest.approx(4 / 12)] * 2
    assert (
        is_zero(loaded.get_layer("wide").kernel)
        == is_zero(model.get_layer("wide").kernel)
    ).all()
    # All that the schedule asks for in the end is silent.
    assert not told(recwarn)


def test_a_layer_that_begins_at_zero_is_not_silent(recwarn):
    model = narrow("sgd", kernel_initializer="zeros")
    train(model, half(1000), epochs=1)
    assert num_silent(model) == 0


def test_averages_stay_silent_in_a_later_training():
    adam = keras.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.5)
    model = narrow(adam)
    train(model, half())
    train(model)
    assert num_silent(model) == 4


@pytest.mark.parametrize("order", [1, -1], ids=["first", "last"])
def test_averages_and_files_hold_silent_channels(tmp_path, order):
    model = narrow(keras.optimizers.Adam(use_ema=True, ema_momentum=0.9))
    callbacks = [
        half(),
        keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
        keras.callbacks.ModelCheckpoint(tmp_path / "epoch.keras"),
        keras.callbacks.ModelCheckpoint(tmp_path / "batch.keras", save_freq=7),
    ]
    train(model, *callbacks[::order])
    assert num_silent(model) == 4
    for name in ("epoch", "batch"):
        saved = keras.models.load_model(tmp_path / f"{name}.keras")
        assert num_silent(saved) == 4
        bias = saved.get_layer("wide").bias
        assert is_zero(bias).sum() == 4
    # Averages of a new optimizer, without an update in this training.
    again = keras.optimizers.Adam(use_ema=True, ema_momentum=0.9)
    model.compile(again, "mse", jit_compile=False)
    train(model, ChannelPruning(ConstantSparsity(0.5), interval=100))
    assert num_silent(model) == 4


@pytest.mark.parametrize("order", [1, -1], ids=["first", "last"])
def test_weights_that_are_restored_are_told_of(order, recwarn):
    model = narrow()
    stop = keras.callbacks.EarlyStopping(
        "loss", patience=1, min_delta=100, restore_best_weights=True
    )
    train(model, *[half(), stop][::order], epochs=9)
    (line,) = told(recwarn)
    assert "a share of 0.3333 of the channels was silent, 0.25 is" in line
    smaller = keras_eff.remove_channels(model)
    assert smaller.get_layer("wide").units == 5
    (line,) = told(recwarn)
    assert line.startswith("1 of 4 channels that `ChannelPruning` had silenced")
    assert "['wide']" in line


def test_a_training_that_ends_early_tells_what_was_reached(recwarn):
    stop = keras.callbacks.EarlyStopping("loss", min_delta=100, patience=0)
    train(narrow(), half(20), stop, epochs=9)
    (line,) = told(recwarn)
    assert "asks for a share of 0.5 of the channels" in line
    assert f"step 8, where training ended, {0.5 * (1 - 0.7**3):.4g} was" in line
    train(narrow(), half(20), epochs=2)
    (line,) = told(recwarn)
    assert "cannot finish: training ends at step 8" in line

    def batches():
        for _ in range(4):
            yield ROWS[:16], TARGETS[:16]

    narrow().fit(batches(), verbose=0, callbacks=[half(20)])
    assert "has not come to its end" in told(recwarn)[-1]


def test_a_training_without_an_update_is_told_with_the_way_out(recwarn):
    short = ChannelPruning(PolynomialDecay(0.0, 0.5, 0, 6), interval=100)
    train(narrow(), short)
    (line,) = told(recwarn)
    assert "at step 0 with interval=100, silences a share of 0, not" in line
    assert "not 0.5: give a smaller `interval`" in line


def test_a_model_of_which_nothing_can_go_is_told_of(recwarn):
    train(narrow(), half(skip="wide"))
    (line,) = told(recwarn)
    assert line.startswith("No channel of the model can go")


def test_a_model_that_is_not_built_is_read_when_it_is():
    model = narrow(built=False)
    train(model, half())
    assert num_silent(model) == 4
    train(model)
    assert num_silent(model) == 4


@pytest.mark.parametrize("built", [True, False])
def test_a_loop_by_hand_needs_two_calls(built):
    model, pruning = narrow(built=built), half()
    with pytest.raises(RuntimeError, match=r"call `set_model\(model\)`"):
        pruning.on_train_batch_end(0)
    pruning.set_model(model)
    for step in range(6):
        model.train_on_batch(ROWS, TARGETS)
        pruning.on_train_batch_end(step)
    assert num_silent(model) == 4


def test_without_an_optimizer_batches_are_counted():
    model, pruning = keras.models.clone_model(narrow()), half()
    pruning.set_model(model)
    for step in range(6):
        assert num_silent(model) == (3 if step > 2 else 0)
        pruning.on_train_batch_end(step)
    pruning.on_train_end()
    assert num_silent(model) == 4


@pytest.mark.parametrize(
    "error, options",
    [
        (TypeError, {"schedule": 0.5}),
        (ValueError, {"interval": 0}),
        (ValueError, {"scope": "erk"}),
        (ValueError, {"multiple_of": 0}),
        (ValueError, {"max_layer_sparsity": 1.0}),
    ],
    ids=["schedule", "interval", "scope", "multiple_of", "max_layer_sparsity"],
)
def test_arguments_out_of_range_raise(error, options):
    (name,) = options
    with pytest.raises(error, match=f"`{name}`.*Received"):
        ChannelPruning(**{"schedule": ConstantSparsity(0.5), **options})
