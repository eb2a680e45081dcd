import keras
import numpy as np

import keras_eff
from keras_eff.callbacks.prunable import prunables
from keras_eff.layers import PrunableDense
from keras_eff.layers import PruningMask
from keras_eff.layers import TransformedWeights


def test_each_prunable_weight_is_found_once():
    shared = PrunableDense(6)
    inner = keras.Sequential([keras.Input((6,)), shared, PrunableDense(6)])
    inputs = keras.Input((6,))
    outputs = keras.layers.Dense(3)(inner(shared(inputs)))
    found = prunables(keras.Model(inputs, outputs))
    assert len(found) == 2
    assert len({id(p.variable) for p in found}) == 2


def test_it_knows_the_weight_of_its_mask():
    layer = TransformedWeights(
        keras.layers.Embedding(9, 4), [PruningMask(weight="embeddings")]
    )
    model = keras.Sequential([keras.Input((3,), dtype="int32"), layer])
    (prunable,) = prunables(model)
    assert prunable.layer is layer
    assert prunable.mask is layer.transforms[0]
    assert prunable.variable is layer.embeddings


def test_a_quantized_layer_is_not_prunable():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    assert not prunables(keras_eff.quantize(model))


def test_zeros_are_stored(tiny):
    model = tiny.linear()
    (prunable,) = prunables(model)
    kernel = np.arange(1, 19, dtype="float32").reshape(6, 3)
    prunable.variable.assign(kernel)
    prunable.mask.prune(0.5, kernel)
    expected = np.where(kernel > 9, kernel, 0)
    np.testing.assert_array_equal(prunable.weight, expected)
    np.testing.assert_array_equal(tiny.kernels(model)[0], kernel)
    prunable.store_zeros()
    np.testing.assert_array_equal(tiny.kernels(model)[0], expected)
