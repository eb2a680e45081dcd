import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_eff
from keras_eff.layers import PrunableDense
from keras_eff.layers.cloning import layers_of

pytestmark = pytest.mark.filterwarnings("ignore:prune:UserWarning")


def branched():
    """Recurrent, separable and nested layers, one of them called twice."""
    shared = layers.Dense(6, name="shared")
    within = keras.Input((5, 6))
    gru = layers.GRU(4, name="gru")
    inner = keras.Model(within, gru(within), name="inner")
    inputs = keras.Input((7, 3))
    x = layers.SeparableConv1D(6, 3, name="separable")(inputs)
    x = layers.BatchNormalization(name="norm")(shared(shared(x)))
    x = layers.Add()([inner(x), layers.LSTM(4, name="lstm")(x)])
    return keras.Model(inputs, layers.Dense(2, name="head")(x))


def written_prunable():
    return keras.Sequential(
        [
            keras.Input((7, 3)),
            PrunableDense(4, activation="relu", name="first"),
            layers.Dense(2),
        ]
    )


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(4, 7, 3)).astype("float32")


def outputs(model, x):
    return ops.convert_to_numpy(model(x))


def test_the_weights_load_into_the_model_that_was_pruned(x, tmp_path):
    model = branched()
    pruned = keras_eff.prune(model, 0.75, skip=())
    # What is stored is not always what is seen.
    kernel = pruned.get_layer("shared").kernel
    kernel.assign(ops.ones_like(kernel))
    stripped = keras_eff.strip(pruned)
    np.testing.assert_array_equal(outputs(stripped, x), outputs(pruned, x))
    for mine, plain in zip(model.weights, stripped.weights, strict=True):
        assert mine.path.split("/")[-2:] == plain.path.split("/")[-2:]
    stripped.save_weights(tmp_path / "plain.weights.h5")
    for load in (
        lambda: model.load_weights(tmp_path / "plain.weights.h5"),
        lambda: model.set_weights(stripped.get_weights()),
    ):
        model.set_weights([np.zeros(v.shape) for v in model.weights])
        load()
        np.testing.assert_array_equal(outputs(model, x), outputs(pruned, x))
    shares = [w.sparsity for w in keras_eff.sparsity(model).weights]
    np.testing.assert_allclose(shares, 0.75, atol=0.05)


@pytest.mark.parametrize("make", [branched, written_prunable])
def test_a_stranger_reads_the_file(make, x, tmp_path):
    model = make()
    if make is branched:
        model = keras_eff.prune(model, 0.5)
    model.save(tmp_path / "masked.keras")
    stripped = keras_eff.strip(
        keras.saving.load_model(tmp_path / "masked.keras")
    )
    assert "keras_eff" not in stripped.to_json()
    assert stripped.name == model.name and not stripped.compiled
    stripped.save(tmp_path / "plain.keras")
    loaded = keras.saving.load_model(tmp_path / "plain.keras")
    np.testing.assert_array_equal(outputs(loaded, x), outputs(model, x))
    assert layers_of(model, keras_eff.layers.PruningMask)


def test_what_is_frozen_stays_frozen():
    model = branched()
    model.get_layer("lstm").trainable = False
    stripped = keras_eff.strip(keras_eff.prune(model, 0.5))
    assert not stripped.get_layer("lstm").trainable_weights
    assert len(stripped.trainable_weights) == len(model.trainable_weights)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_other_transforms_are_refused():
    quantized = keras_eff.quantize(written_prunable())
    with pytest.raises(ValueError, match="before it gets them.*'first'"):
        keras_eff.strip(quantized)


def test_masks_inside_a_layer_of_another_class_are_refused():
    layer = layers.TimeDistributed(PrunableDense(3), name="outer")
    model = keras.Sequential([keras.Input((7, 3)), layer])
    with pytest.raises(ValueError, match="cannot reach masks.*'outer'"):
        keras_eff.strip(model)


def test_a_model_of_another_library_is_refused():
    with pytest.raises(TypeError, match="keras_eff.strip"):
        keras_eff.strip(object())
