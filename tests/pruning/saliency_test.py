import keras
import numpy as np
import pytest

from keras_eff.callbacks import PruningScheduler
from keras_eff.layers import PrunableDense
from keras_eff.pruning.dense_gradients import DenseGradients
from keras_eff.pruning.prunable import prunables
from keras_eff.pruning.saliency import CRITERIA
from keras_eff.pruning.saliency import SALIENCIES
from keras_eff.pruning.saliency import WeightStatistics
from keras_eff.schedules import ConstantSparsity

HALF = ConstantSparsity(0.5)


def statistics(model, data=None, step=0):
    found = prunables(model)
    gradients = data and DenseGradients(model, found, data)
    return WeightStatistics(model, found, gradients, step)


def saliency(name, *arguments, **options):
    return SALIENCIES[name](statistics(*arguments, **options))


def assert_close(found, *expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_magnitude(tiny):
    model = tiny.mlp()
    kernels = tiny.kernels(model)
    assert_close(saliency("magnitude", model), *map(np.abs, kernels))


def test_weights_are_seen_through_the_mask(tiny):
    model = tiny.linear()
    PruningScheduler(HALF).apply(model)
    model.layers[0].kernel.assign(np.ones((6, 3)))
    (mask,) = tiny.masks(model)
    assert_close(statistics(model).weights, mask.astype("float32"))


def test_taylor_is_the_weight_times_the_gradient(tiny):
    model = tiny.linear()
    (kernel,) = tiny.kernels(model)
    gradient = tiny.gradient_by_row(kernel).mean(axis=0)
    found = saliency("taylor", model, (tiny.x, tiny.y))
    assert_close(found, np.abs(kernel * gradient))


def test_taylor_weights_the_samples(tiny):
    model = tiny.linear()
    (kernel,) = tiny.kernels(model)
    weights = np.linspace(0, 2, 32, dtype="float32")
    by_row = tiny.gradient_by_row(kernel)
    gradient = (by_row * weights[:, None, None]).sum(0) / 32
    found = saliency("taylor", model, (tiny.x, tiny.y, weights))
    assert_close(found, np.abs(kernel * gradient))


def test_obd_is_half_the_squared_weight_times_the_mean_square_gradient(tiny):
    model = tiny.linear()
    (kernel,) = tiny.kernels(model)
    total = np.zeros((6, 3))
    for gradient in tiny.gradient_by_row(kernel):
        total += gradient**2
    found = saliency("obd", model, (tiny.x, tiny.y))
    assert_close(found, kernel**2 / 2 * total / 32)


@pytest.mark.parametrize(
    "optimizer, scale",
    [
        # After one step: the gradient times 1 - beta_1, or -learning_rate.
        (lambda: keras.optimizers.Adam(0.1, beta_1=0.75), 0.25),
        (lambda: keras.optimizers.SGD(0.1, momentum=0.9), 0.1),
    ],
    ids=["adam", "sgd"],
)
def test_momentum_is_the_mean_of_past_gradients(tiny, optimizer, scale):
    model = tiny.linear(optimizer())
    (kernel,) = tiny.kernels(model)
    tiny.fit(model, batch_size=32)
    gradient = tiny.gradient_by_row(kernel).mean(axis=0)
    found = saliency("momentum", model)
    assert_close(found, np.abs(gradient) * scale)


def test_momentum_under_mixed_precision(tiny):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = tiny.linear(keras.optimizers.SGD(0.1, momentum=0.9))
    finally:
        keras.config.set_dtype_policy("float32")
    (kernel,) = tiny.kernels(model)
    tiny.fit(model, batch_size=32)
    gradient = tiny.gradient_by_row(kernel).mean(axis=0)
    (found,) = saliency("momentum", model)
    np.testing.assert_allclose(found, np.abs(gradient) * 0.1, atol=1e-3)


def test_variables_of_one_path_have_each_its_momentum(tiny):
    def inner(name):
        inputs = keras.Input((6,))
        outputs = PrunableDense(6, name="same")(inputs)
        return keras.Model(inputs, outputs, name=name)

    inputs = keras.Input((6,))
    outputs = keras.layers.Dense(3)(inner("b")(inner("a")(inputs)))
    model = keras.Model(inputs, outputs)
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    model.compile(optimizer, "mse", jit_compile=False)
    before = tiny.kernels(model)
    tiny.fit(model, batch_size=32)
    moved = [a - b for a, b in zip(tiny.kernels(model), before, strict=True)]
    assert_close(statistics(model).momentums, *moved)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
def test_momentum_needs_an_optimizer_that_keeps_one(tiny, optimizer):
    model = tiny.linear(optimizer)
    late = ConstantSparsity(0.5, 2)
    message = r"Momentum needs an optimizer .*Received: keras\..*momentum of "
    with pytest.raises(ValueError, match=message):
        tiny.fit(model, PruningScheduler(late, 2, saliency="momentum"))


def test_momentum_needs_a_step(tiny):
    scheduler = PruningScheduler(HALF, 2, saliency="momentum")
    with pytest.raises(ValueError, match="has made a step: .*begin later"):
        tiny.fit(tiny.linear("adam"), scheduler)


def test_noise_depends_on_the_step_alone(tiny):
    first = CRITERIA["random"](statistics(tiny.mlp(), step=3))
    second = CRITERIA["random"](statistics(tiny.mlp(), step=3))
    assert_close(first, *second)
    (other, _) = CRITERIA["random"](statistics(tiny.mlp(), step=4))
    assert (other != first[0]).any()
    assert first[0].min() >= 0 and first[0].max() < 1


def test_a_draw_is_of_128_rows_of_the_step(tiny):
    x = np.tile(tiny.x, (5, 1)) + np.arange(160)[:, None] / 160
    data = (x.astype("float32"), np.tile(tiny.y, (5, 1)))
    model = tiny.linear()
    rows = np.random.default_rng(7).choice(160, 128, replace=False)
    expected = DenseGradients(model, prunables(model), data).mean(rows)
    assert_close(statistics(model, data, 7).gradients, *expected)
    assert (statistics(model, data, 8).gradients[0] != expected[0]).any()


@pytest.mark.parametrize("name", ["magnitude", "taylor", "obd"])
def test_the_scheduler_prunes_what_has_least(tiny, name):
    model, data = tiny.mlp(), (tiny.x, tiny.y)
    values = saliency(name, model, data)
    PruningScheduler(HALF, saliency=name, dataset=data).apply(model)
    for value, mask in zip(values, tiny.masks(model), strict=True):
        assert value[~mask].max() <= value[mask].min()
        assert mask.mean() == 0.5


def test_momentum_prunes_what_has_least(tiny):
    model = tiny.mlp("adam")
    tiny.fit(model)
    values = saliency("momentum", model)
    PruningScheduler(HALF, saliency="momentum").apply(model)
    for value, mask in zip(values, tiny.masks(model), strict=True):
        assert value[~mask].max() <= value[mask].min()


def test_a_function_gives_the_saliency(tiny):
    model = tiny.mlp()
    seen = []

    def first_rows(weight):
        seen.append(weight)
        return np.arange(weight.size).reshape(weight.shape)[::-1]

    kernels = tiny.kernels(model)
    PruningScheduler(HALF, saliency=first_rows).apply(model)
    assert_close(seen, *kernels)
    for mask in tiny.masks(model):
        half = len(mask) // 2
        assert mask[:half].all() and not mask[half:].any()


def test_the_function_must_keep_the_shape(tiny):
    scheduler = PruningScheduler(HALF, saliency=lambda w: np.abs(w).sum(0))
    message = r"`saliency` .*shapes \[\(3,\)\] for weights .*\[\(6, 3\)\]"
    with pytest.raises(ValueError, match=message):
        scheduler.apply(tiny.linear())
