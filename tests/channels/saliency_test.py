import keras
import numpy as np
import pytest
from keras import layers

import keras_eff
from keras_eff.channels import saliency
from keras_eff.channels.graph import ChannelGraph
from keras_eff.channels.groups import groups_of


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            layers.Conv2D(4, 3, name="first"),
            layers.BatchNormalization(gamma_initializer="random_normal"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    return model


@pytest.fixture(scope="module")
def group(model):
    return groups_of(ChannelGraph(model))[0]


def test_l1_and_l2_are_of_the_weights_that_make_a_channel(model, group):
    kernel = model.get_layer("first").get_weights()[0].reshape(-1, 4)
    np.testing.assert_allclose(
        saliency.l1(group), np.abs(kernel).sum(0), rtol=1e-5
    )
    np.testing.assert_allclose(
        saliency.l2(group), np.linalg.norm(kernel, axis=0), rtol=1e-5
    )


def test_bn_scale_is_the_factor_behind(model, group):
    gamma = model.layers[1].get_weights()[0]
    np.testing.assert_allclose(
        saliency.bn_scale(group), np.abs(gamma), rtol=1e-5
    )


def test_a_group_without_normalization_has_no_bn_scale_and_stays():
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(8), layers.Dense(2)]
    )
    plan = keras_eff.plan_channels(model, 0.5, saliency="bn_scale")
    assert not plan.removed


def test_relative_scores_have_the_mean_one(group):
    scores = saliency.relative(saliency.l1)(group)
    assert scores.mean() == pytest.approx(1.0)


def test_taylor_is_the_square_of_the_sum_of_weight_times_gradient():
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(4, name="first"),
            layers.Dense(1, use_bias=False),
        ]
    )
    model.compile("adam", "mse", jit_compile=False)
    random = np.random.default_rng(0)
    x = random.standard_normal((8, 3)).astype("float32")
    y = random.standard_normal((8, 1)).astype("float32")
    optimizer, before = model.optimizer, model.get_weights()
    kernel, bias, last = before
    expected = np.zeros(4)
    for rows in (slice(0, 5), slice(5, 8)):
        error = (x[rows] @ kernel + bias) @ last - y[rows]
        gradient = x[rows].T @ (2 * error / len(error)) @ last.T
        expected += np.square((kernel * gradient).sum(0)) / 2
    graph = ChannelGraph(model)
    score = saliency.Taylor(model, graph, (x, y), 5)
    (first, _) = groups_of(graph)
    np.testing.assert_allclose(score(first), expected, rtol=1e-3)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert model.optimizer is optimizer


@pytest.mark.parametrize(
    "score",
    [lambda group: [1.0], lambda group: np.full(len(group.roots), np.nan)],
    ids=["shape", "nan"],
)
def test_scores_must_be_a_number_for_each_channel(score, group):
    with pytest.raises(ValueError, match="must return a number for each"):
        saliency.scores_of(group, score)


def test_batches_cover_all_samples():
    found = list(saliency.batches((np.arange(5), np.arange(5)), 2))
    assert [len(x) for x, _ in found] == [2, 2, 1]
    np.testing.assert_array_equal(
        np.concatenate([x for x, _ in found]), np.arange(5)
    )
