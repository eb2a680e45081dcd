import keras
import numpy as np
import pytest
from keras import ops

import keras_eff
from keras_eff.callbacks import PruningScheduler
from keras_eff.layers import PrunableDense
from keras_eff.pruning.dense_gradients import DenseGradients
from keras_eff.pruning.prunable import prunables
from keras_eff.schedules import ConstantSparsity

ALL = np.arange(32)


def gradients(model, data):
    return DenseGradients(model, prunables(model), data)


def with_everything():
    """Statistics, noise, metrics, penalties, and two outputs."""
    inputs = keras.Input((6,))
    x = PrunableDense(8, kernel_regularizer="l2", activity_regularizer="l2")(
        inputs
    )
    x = keras.layers.Dropout(0.5)(keras.layers.BatchNormalization()(x))
    outputs = [
        PrunableDense(3, name="a")(x),
        keras.layers.Dense(3, name="b")(x),
    ]
    model = keras.Model(inputs, outputs)
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        ["mse", "mae"],
        metrics=[["mae"], ["mse"]],
        jit_compile=False,
    )
    return model


def test_they_equal_a_loop_over_rows(tiny):
    model = tiny.linear()
    (kernel,) = tiny.kernels(model)
    by_row = tiny.gradient_by_row(kernel)
    probed = gradients(model, (tiny.x, tiny.y))
    for rows in (ALL, ALL[3:11]):
        (found,) = probed.mean(rows)
        np.testing.assert_allclose(found, by_row[rows].mean(0), atol=1e-6)
        (found,) = probed.mean_square(rows)
        expected = (by_row[rows] ** 2).mean(0)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_pruned_weights_have_theirs_at_zero(tiny):
    model = tiny.linear()
    PruningScheduler(ConstantSparsity(0.5)).apply(model)
    (seen,) = tiny.kernels(model)
    (mask,) = tiny.masks(model)
    # What is stored for a pruned weight does not count.
    model.layers[0].kernel.assign(np.where(mask, seen, 5))
    (found,) = gradients(model, (tiny.x, tiny.y)).mean(ALL)
    expected = tiny.gradient_by_row(seen).mean(0)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_they_follow_the_weights_and_the_masks(tiny):
    model = tiny.linear()
    probed = gradients(model, (tiny.x, tiny.y))
    probed.mean(ALL)
    PruningScheduler(ConstantSparsity(0.5)).apply(model)
    (kernel,) = tiny.kernels(model)
    expected = tiny.gradient_by_row(kernel).mean(0)
    np.testing.assert_allclose(probed.mean(ALL)[0], expected, atol=1e-6)


@pytest.mark.parametrize("is_quantized", [False, True])
def test_they_are_those_of_a_training_step(tiny, is_quantized):
    model = tiny.mlp()
    if is_quantized:
        model = keras_eff.calibrate(keras_eff.quantize(model), tiny.x)
    model.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=False)
    PruningScheduler(ConstantSparsity(0.5)).apply(model)
    found = gradients(model, (tiny.x, tiny.y)).mean(ALL)
    before = tiny.kernels(model)
    for prunable in prunables(model):
        prunable.mask.has_dense_gradient = True
    model.fit(tiny.x, tiny.y, 32, shuffle=False, verbose=0)
    tolerance = 0.02 if is_quantized else 1e-5
    for gradient, old, new in zip(
        found, before, tiny.kernels(model), strict=True
    ):
        np.testing.assert_allclose(gradient, old - new, atol=tolerance)


@pytest.mark.parametrize("saliency", ["taylor", "obd"])
def test_the_model_is_left_as_it_was(tiny, saliency):
    y = [tiny.y, tiny.y]
    pruning = PruningScheduler(
        ConstantSparsity(0.0), 1, saliency=saliency, dataset=(tiny.x, y)
    )
    models, histories = [], []
    for callbacks in ([pruning], []):
        keras.utils.set_random_seed(0)
        models.append(with_everything())
        fitted = models[-1].fit(
            tiny.x, y, 16, 2, callbacks=callbacks, verbose=0
        )
        histories.append(fitted.history)
    assert set(histories[0].pop("sparsity")) == {0.0}
    assert histories[0] == histories[1]
    for first, second in zip(
        models[0].variables, models[1].variables, strict=True
    ):
        first, second = map(ops.convert_to_numpy, (first, second))
        np.testing.assert_array_equal(first, second)


def test_statistics_are_those_of_inference(tiny):
    model = with_everything()
    before = [ops.convert_to_numpy(v) for v in model.variables]
    gradients(model, (tiny.x, [tiny.y, tiny.y])).mean(ALL)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), value)


def test_a_gradient_too_large_for_half_precision_is_found(tiny):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = tiny.linear()
        (kernel,) = tiny.kernels(model)
        (found,) = gradients(model, (tiny.x, tiny.y * 1000)).mean(ALL)
    finally:
        keras.config.set_dtype_policy("float32")
    errors = tiny.x @ kernel - tiny.y * 1000
    expected = 2 / 3 / 32 * tiny.x.T @ errors
    np.testing.assert_allclose(found, expected, rtol=0.01, atol=1)


def test_a_gradient_without_end_is_refused(tiny):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        probed = gradients(tiny.linear(), (tiny.x * np.inf, tiny.y))
        with pytest.raises(RuntimeError, match="must be finite. Received: inf"):
            probed.mean(ALL)
    finally:
        keras.config.set_dtype_policy("float32")
