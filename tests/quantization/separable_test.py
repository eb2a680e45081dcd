import keras
import numpy as np
import pytest
from keras import layers

from keras_eff.quantization.expansion import expand


def check(layer, *shape):
    """Expands a model of one layer, compares it, and returns it."""
    model = keras.Sequential([keras.Input(shape), layer])
    generator = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(generator.normal(size=weight.shape) * 0.3)
    inputs = generator.normal(size=(2, *shape)).astype("float32")
    expanded, _ = expand(model)
    np.testing.assert_allclose(
        expanded(inputs), model(inputs), atol=1e-5, rtol=1e-5
    )
    return expanded


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"strides": 2},
        {"dilation_rate": 2},
        {"depth_multiplier": 3},
        {"use_bias": False},
        {"activation": "relu"},
        {"activation": "tanh"},
    ],
    ids=str,
)
def test_separable_convolutions_become_two(options, padding):
    options = {"padding": padding, **options}
    flat = check(layers.SeparableConv1D(5, 3, **options), 9, 2)
    square = check(layers.SeparableConv2D(5, 3, **options), 9, 9, 2)
    for rank, model in (("1D", flat), ("2D", square)):
        depthwise, pointwise, *rest = model.layers[1:]
        assert type(depthwise).__name__ == f"DepthwiseConv{rank}"
        assert type(pointwise).__name__ == f"Conv{rank}"
        assert len(rest) == ("activation" in options)


def test_regularizers_constraints_and_trainability_are_kept():
    layer = layers.SeparableConv1D(
        4,
        3,
        depthwise_regularizer=keras.regularizers.L1(0.1),
        pointwise_regularizer=keras.regularizers.L2(0.1),
        bias_constraint="non_neg",
        trainable=False,
        name="mine",
    )
    _, depthwise, pointwise = check(layer, 9, 2).layers
    assert depthwise.name == "mine_depthwise"
    assert pointwise.name == "mine_pointwise"
    assert float(depthwise.depthwise_regularizer.l1) == pytest.approx(0.1)
    assert float(pointwise.kernel_regularizer.l2) == pytest.approx(0.1)
    assert isinstance(pointwise.bias_constraint, keras.constraints.NonNeg)
    assert not depthwise.trainable and not pointwise.trainable


def test_a_shared_separable_convolution_stays_shared():
    layer = layers.SeparableConv1D(2, 3, padding="same")
    inputs = keras.Input((9, 2))
    expanded, _ = expand(keras.Model(inputs, layer(layer(inputs))))
    assert len(expanded.weights) == 3


class Thin(layers.SeparableConv2D):
    """A class of which the name tells no rank."""


def test_a_subclass_becomes_two_by_its_rank():
    expanded = check(Thin(5, 3), 9, 9, 2)
    kinds = [type(layer) for layer in expanded.layers[1:]]
    assert kinds == [layers.DepthwiseConv2D, layers.Conv2D]
