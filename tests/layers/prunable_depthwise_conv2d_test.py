import keras
import numpy as np
from keras import ops

from keras_eff.layers import PrunableDepthwiseConv2D
from keras_eff.schedules import ConstantSparsity


def make(**options):
    return PrunableDepthwiseConv2D(3, depth_multiplier=2, **options)


def test_contract(contract):
    contract(
        lambda: make(schedule=ConstantSparsity(0.5), block_shape=(2, 1)),
        (6, 5, 4),
    )


def test_it_computes_and_trains_as_its_twin(check_twin):
    def make_twin():
        return keras.layers.DepthwiseConv2D(3, depth_multiplier=2)

    check_twin(make, make_twin, (6, 5, 4))


def test_a_channel_is_a_window_of_one_input_and_multiplier():
    layer = PrunableDepthwiseConv2D(3, pattern="channel", depth_multiplier=2)
    layer.build((None, 6, 5, 2))
    saliency = np.float32([[1, 4], [3, 2]]) * np.ones((3, 3, 1, 1), "float32")
    layer.transforms[0].prune(0.5, saliency)
    mask = ops.convert_to_numpy(layer.transforms[0].mask)
    expected = np.broadcast_to([[False, True], [True, False]], mask.shape)
    np.testing.assert_array_equal(mask, expected)
