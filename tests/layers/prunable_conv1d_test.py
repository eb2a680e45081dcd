import keras
import numpy as np
from keras import ops

from keras_eff.layers import PrunableConv1D
from keras_eff.schedules import ConstantSparsity


def make(**options):
    return PrunableConv1D(5, 3, padding="causal", **options)


def test_contract(contract):
    contract(
        lambda: make(schedule=ConstantSparsity(0.5), block_shape=(2, 1)),
        (6, 4),
    )


def test_it_computes_and_trains_as_its_twin(check_twin):
    def make_twin():
        return keras.layers.Conv1D(5, 3, padding="causal")

    check_twin(make, make_twin, (6, 4))


def test_n_of_m_lie_along_the_input_channels():
    layer = PrunableConv1D(5, 3, pattern="1:2")
    layer.build((None, 6, 4))
    saliency = np.random.default_rng(0).random((3, 4, 5), "float32")
    layer.transforms[0].prune(0.5, saliency)
    mask = ops.convert_to_numpy(layer.transforms[0].mask)
    pairs = saliency.reshape(3, 2, 2, 5)
    expected = pairs == pairs.max(axis=2, keepdims=True)
    np.testing.assert_array_equal(mask, expected.reshape(3, 4, 5))
