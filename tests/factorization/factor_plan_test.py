import keras
import numpy as np
import pytest
from keras import layers

from keras_eff.factorization.factorize import plan_factors


def mlp():
    return keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(48, name="wide"),
            layers.Dense(48, kernel_constraint="non_neg", name="bound"),
            layers.Dense(10, name="head"),
        ]
    )


def test_rows_tell_what_becomes_of_each_layer():
    model = mlp()
    plan = plan_factors(model, rank=12)
    wide, bound, head = plan.layers
    assert [row.layer for row in plan.layers] == model.layers
    assert (wide.shape, wide.rank, wide.reason) == ((64, 48), 12, None)
    assert (wide.num_weights, wide.num_left) == (64 * 48, 12 * (64 + 48))
    assert (bound.rank, bound.energy, bound.num_left) == (None, 1.0, 48 * 48)
    assert bound.reason == "kernel constraint"
    assert head.reason == "no smaller at rank 10"


def test_energy_is_that_of_the_product():
    model = mlp()
    plan = plan_factors(model, rank=12)
    smaller = plan.factorize()
    kernel, left, right = (
        keras.ops.convert_to_numpy(layer.kernel).astype("float64")
        for layer in (
            model.get_layer("wide"),
            smaller.get_layer("wide_factor"),
            smaller.get_layer("wide"),
        )
    )
    lost = np.sum((kernel - left @ right) ** 2) / np.sum(kernel**2)
    assert plan.layers[0].energy == pytest.approx(1 - lost, abs=1e-6)


def test_a_convolution_is_a_matrix_of_windows():
    model = keras.Sequential(
        [keras.Input((8, 8, 4)), layers.Conv2D(16, 3, name="conv")]
    )
    assert plan_factors(model, rank=3).layers[0].shape == (36, 16)


def test_parameters_are_those_of_the_smaller_model():
    dense = layers.Dense(32, name="shared")
    inputs = keras.Input((32,))
    model = keras.Model(inputs, dense(dense(inputs)))
    plan = plan_factors(model, rank=4)
    assert plan.num_parameters == plan.factorize().count_params()
    assert plan.num_parameters == 4 * 64 + 32


def test_it_prints_as_a_table():
    lines = str(plan_factors(mlp(), rank=12)).splitlines()
    assert lines[0].split() == [
        *("layer", "full", "rank", "rank", "energy", "weights", "left"),
        *("stays", "because"),
    ]
    cells = lines[1].split()
    assert [*cells[:3], *cells[4:]] == ["wide", "48", "12", "3,072", "1,344"]
    assert lines[3].endswith("no smaller at rank 10")
    assert lines[4] == "parameters 4,234 of 5,962"


def test_the_weights_are_those_of_the_moment():
    model = mlp()
    plan = plan_factors(model, rank=1)
    kernel = np.outer(np.arange(64), np.ones(48)).astype("float32")
    model.get_layer("wide").kernel.assign(kernel)
    smaller = plan.factorize()
    product = keras.ops.matmul(
        smaller.get_layer("wide_factor").kernel,
        smaller.get_layer("wide").kernel,
    )
    np.testing.assert_allclose(product, kernel, atol=1e-4)
