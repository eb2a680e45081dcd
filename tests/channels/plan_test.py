import keras
import numpy as np
import pytest
from keras import layers

import keras_eff


@pytest.fixture(scope="module")
def model():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(8, 3, name="first"),
            layers.BatchNormalization(),
            layers.DepthwiseConv2D(3),
            layers.Flatten(),
            layers.Dense(10, name="head"),
        ]
    )


@pytest.fixture(scope="module")
def plan(model):
    return keras_eff.plan_channels(model, 0.5)


def test_masked_restores_the_model_even_after_an_error(model, plan):
    before = model.get_weights()
    with pytest.raises(KeyError), plan.masked() as masked:
        assert masked is model
        kernel = model.get_layer("first").get_weights()[0]
        assert (np.abs(kernel).sum((0, 1, 2)) == 0).sum() == 4
        raise KeyError
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_parameters_are_those_of_the_smaller_model(model, plan):
    assert plan.num_parameters == plan.remove().count_params()
    whole = keras_eff.plan_channels(model, 0.0)
    assert whole.num_parameters == model.count_params()


def test_macs_are_products_of_weights_in_one_sample(model, plan):
    whole = keras_eff.plan_channels(model, 0.0)
    assert whole.num_macs == 36 * 27 * 8 + 16 * 9 * 8 + 16 * 8 * 10
    assert plan.num_macs == 36 * 27 * 4 + 16 * 9 * 4 + 16 * 4 * 10


def test_printed_it_is_a_table_of_the_groups(plan):
    lines = str(plan).splitlines()
    assert lines[1].split() == ["first", "8", "4", "first"]
    assert "the model returns them" in lines[2]
    assert lines[-1] == (
        f"parameters {plan.num_parameters:,} of 1,626, "
        f"MACs {plan.num_macs:,} of 10,208"
    )


def test_the_number_that_stays_is_told_by_group(plan):
    counts = [plan.num_kept(group) for group in plan.groups]
    assert counts == [4, 10]
