import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_eff.graph.affine_terms import affine_terms
from keras_eff.graph.affine_terms import is_scaling


def batch_norm(**options):
    layer = layers.BatchNormalization(**options)
    layer.build((None, 3))
    generator = np.random.default_rng(0)
    for weight in layer.weights:
        weight.assign(generator.uniform(0.5, 2.0, weight.shape))
    return layer


def normalization(mean, variance, **options):
    layer = layers.Normalization(mean=mean, variance=variance, **options)
    layer.build((None, 3))
    return layer


@pytest.mark.parametrize(
    "layer",
    [
        batch_norm(),
        batch_norm(center=False),
        batch_norm(scale=False),
        normalization([1.0, 2.0, 3.0], [4.0, 1.0, 0.0]),
        normalization([1.0, 2.0, 3.0], [4.0, 1.0, 2.0], invert=True),
        layers.Rescaling(2.0, 3.0),
        layers.Rescaling([2.0, 3.0, 4.0]),
    ],
    ids=lambda layer: layer.name,
)
def test_the_terms_are_those_of_the_layer(layer):
    inputs = np.random.default_rng(1).normal(size=(5, 3)).astype("float32")
    scale, offset = affine_terms(layer)
    assert scale.dtype == offset.dtype == "float64"
    outputs = ops.convert_to_numpy(layer(inputs))
    np.testing.assert_allclose(scale * inputs + offset, outputs, rtol=2e-5)


@pytest.mark.parametrize(
    "layer, expected",
    [
        (layers.Rescaling(0.5), True),
        (layers.Rescaling([0.5, 0.5]), True),
        (layers.Rescaling([0.5, 0.6]), False),
        (layers.Rescaling(-0.5), False),
        (layers.Rescaling(0.0), False),
        (layers.Rescaling(0.5, 1.0), False),
        (normalization([0.0] * 3, [4.0] * 3), True),
        (normalization([0.0, 0.0, 1.0], [4.0] * 3), False),
        (layers.Dense(2), False),
    ],
    ids=str,
)
def test_a_scaling_is_one_positive_factor(layer, expected):
    assert is_scaling(layer) is expected
