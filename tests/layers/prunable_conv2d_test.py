import keras
import numpy as np
from keras import ops

from keras_eff.layers import PrunableConv2D
from keras_eff.schedules import ConstantSparsity


def make(**options):
    return PrunableConv2D(5, 3, strides=2, padding="same", **options)


def test_contract(contract):
    contract(
        lambda: make(schedule=ConstantSparsity(0.5), block_shape=(2, 1)),
        (6, 5, 4),
    )


def test_it_computes_and_trains_as_its_twin(check_twin):
    def make_twin():
        return keras.layers.Conv2D(5, 3, strides=2, padding="same")

    check_twin(make, make_twin, (6, 5, 4))


def test_a_channel_is_a_filter():
    layer = PrunableConv2D(4, 3, pattern="channel")
    layer.build((None, 6, 5, 2))
    saliency = np.random.default_rng(0).random((3, 3, 2, 4), "float32")
    saliency[..., [1, 2]] += 1
    layer.transforms[0].prune(0.5, saliency)
    mask = ops.convert_to_numpy(layer.transforms[0].mask)
    expected = np.broadcast_to([False, True, True, False], mask.shape)
    np.testing.assert_array_equal(mask, expected)
    outputs = ops.convert_to_numpy(layer(np.ones((1, 6, 5, 2))))
    assert ((outputs == 0).all(axis=(0, 1, 2)) == ~expected[0, 0, 0]).all()
