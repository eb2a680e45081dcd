import keras
import numpy as np
from keras import ops

from keras_eff.layers import PrunableDense
from keras_eff.schedules import ConstantSparsity


def make(**options):
    return PrunableDense(5, activation="relu", **options)


def test_contract(contract):
    contract(
        lambda: make(schedule=ConstantSparsity(0.5), block_shape=(2, 1)),
        (7,),
    )


def test_it_computes_and_trains_as_its_twin(check_twin):
    def make_twin():
        return keras.layers.Dense(5, activation="relu")

    check_twin(make, make_twin, (7,))


def test_a_channel_is_a_unit():
    layer = PrunableDense(4, pattern="channel")
    layer.build((None, 3))
    layer.transforms[0].prune(0.5, np.tile(np.float32([3, 1, 4, 2]), (3, 1)))
    mask = ops.convert_to_numpy(layer.transforms[0].mask)
    assert mask.tolist() == [[True, False, True, False]] * 3


def test_a_block_lies_over_inputs_and_units():
    layer = PrunableDense(2, block_shape=(4, 1))
    layer.build((None, 8))
    saliency = np.float32([[1, 2]] * 4 + [[4, 3]] * 4)
    layer.transforms[0].prune(0.25, saliency)
    mask = ops.convert_to_numpy(layer.transforms[0].mask)
    assert mask.tolist() == [[False, True]] * 4 + [[True, True]] * 4
