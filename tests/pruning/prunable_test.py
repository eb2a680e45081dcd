import keras
import numpy as np
import pytest

import keras_eff
from keras_eff.callbacks import PruningScheduler
from keras_eff.layers import PrunableDense
from keras_eff.layers import PruningMask
from keras_eff.layers import TransformedWeights
from keras_eff.pruning.prunable import prunables
from keras_eff.schedules import ConstantSparsity


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
        keras.layers.Embedding(9, 4), [PruningMask(weight_name="embeddings")]
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


def averaging():
    return keras.optimizers.Adam(0.1, use_ema=True)


@pytest.mark.parametrize("optimizer", ["adam", averaging])
@pytest.mark.parametrize("is_first", [True, False])
def test_files_hold_zeros_whatever_the_order(
    tiny, tmp_path, optimizer, is_first
):
    Checkpoint = keras.callbacks.ModelCheckpoint
    last = str(tmp_path / "last.keras")
    paths = [last, str(tmp_path / "batch.keras")]
    callbacks = [
        PruningScheduler(ConstantSparsity(0.75, 2), 1),
        Checkpoint(paths[0]),
        Checkpoint(paths[1], save_freq=3),
    ]
    if callable(optimizer):
        optimizer = optimizer()
        callbacks.insert(1, keras.callbacks.SwapEMAWeights(True))
    model = tiny.mlp(optimizer)
    order = callbacks if is_first else callbacks[::-1]
    tiny.fit(model, *order, epochs=2)
    for path in paths:
        assert tiny.zeros(keras.saving.load_model(path)) == 0.75
    assert tiny.zeros(model) == 0.75
