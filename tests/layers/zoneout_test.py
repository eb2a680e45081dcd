import keras
import numpy as np
import pytest
from keras import ops

from keras_eff.layers.zoneout import Zoneout

X = np.random.default_rng(0).uniform(0.1, 0.9, (40, 50)).astype("float32")


def call(layer, x=X, training=True):
    return ops.convert_to_numpy(layer(x, training=training))


def test_contract(contract):
    # So rare that the loss of two steps is not left to chance.
    contract(lambda: Zoneout(0.001, seed=1))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_a_decay_becomes_1_with_the_given_probability(rate):
    outputs = call(Zoneout(rate))
    share = (outputs == 1).mean()
    # Four standard deviations of 2000 draws.
    assert share == pytest.approx(rate, abs=4 * np.sqrt(0.25 / X.size))


def test_the_other_decays_are_not_scaled():
    outputs = call(Zoneout(0.5))
    np.testing.assert_array_equal(outputs[outputs != 1], X[outputs != 1])


def test_it_is_dropout_of_the_rest_without_the_rescaling():
    zoneout, dropout = Zoneout(0.5, seed=3), keras.layers.Dropout(0.5, seed=3)
    expected = 1 - 0.5 * call(dropout, 1 - X)
    is_kept = call(zoneout) == 1
    assert is_kept.mean() == pytest.approx((expected == 1).mean(), abs=0.05)
    np.testing.assert_allclose(expected[expected < 1], X[expected < 1], 1e-5)


def test_at_inference_the_decays_pass_unchanged():
    layer = Zoneout(0.9)
    np.testing.assert_array_equal(call(layer, training=False), X)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(X)), X)


def test_a_rate_of_numpy_is_one_of_python():
    assert type(Zoneout(np.float32(0.5)).rate) is float


def test_a_rate_of_0_changes_nothing():
    np.testing.assert_array_equal(call(Zoneout(0)), X)


def test_a_seed_repeats_and_draws_move_on():
    first, second = Zoneout(0.5, seed=4), Zoneout(0.5, seed=4)
    draws = call(first)
    np.testing.assert_array_equal(call(second), draws)
    assert (call(first) != draws).any()
    assert (call(Zoneout(0.5, seed=5)) != draws).any()


def test_the_gradient_is_zero_where_a_decay_was_replaced(gradient):
    layer = Zoneout(0.5)
    found = gradient(lambda x: layer(x, training=True), X)
    assert set(np.unique(found)) == {0.0, 1.0}


def test_mask_passes_through(masked_mean):
    masked_mean(Zoneout(0.5))


@pytest.mark.parametrize("rate", [-0.1, 1.0, True, np.nan, "0.5", None])
def test_rate_is_a_float_below_1(rate):
    message = r"`rate` must be a float in \[0, 1\). Received: rate="
    with pytest.raises(ValueError, match=message):
        Zoneout(rate)
