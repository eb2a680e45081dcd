import keras
import numpy as np
import pytest
from keras import ops

from keras_eff.layers.set_mask import SetMask

IDS = np.array([[1, 2, 0, 0], [3, 0, 1, 0]])


def masked_mean_model(give_back=True):
    ids = keras.Input((4,), dtype="int32")
    vectors = keras.layers.Embedding(5, 3)(ids) * 2.0
    if give_back:
        vectors = SetMask()([vectors, ids != 0])
    outputs = keras.layers.GlobalAveragePooling1D()(vectors)
    return keras.Model(ids, outputs)


def expected_means(model):
    (table,) = model.get_weights()
    return [2 * table[row[row != 0]].mean(axis=0) for row in IDS]


@pytest.mark.parametrize("training", [False, True])
def test_the_tensor_passes_unchanged(training):
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    outputs = SetMask()([x, IDS != 0], training=training)
    np.testing.assert_array_equal(ops.convert_to_numpy(outputs), x)


def test_the_next_layer_gets_the_mask():
    model = masked_mean_model()
    means = model.predict(IDS, verbose=0)
    np.testing.assert_allclose(means, expected_means(model), rtol=1e-5)
    means = ops.convert_to_numpy(model(IDS))
    np.testing.assert_allclose(means, expected_means(model), rtol=1e-5)


def test_bare_operations_lose_the_mask_without_it():
    model = masked_mean_model(give_back=False)
    means = model.predict(IDS, verbose=0)
    assert not np.allclose(means, expected_means(model))


def test_the_mask_takes_the_place_of_one_before():
    embedded = keras.layers.Embedding(5, 3, mask_zero=True)(IDS)
    mask = np.array([[False, True, True, True]] * 2)
    mean = keras.layers.GlobalAveragePooling1D()(SetMask()([embedded, mask]))
    expected = ops.convert_to_numpy(embedded)[:, 1:].mean(axis=1)
    np.testing.assert_allclose(ops.convert_to_numpy(mean), expected, rtol=1e-5)


def test_the_tensor_that_was_given_keeps_the_mask_it_had():
    x = ops.ones((1, 3, 2))
    SetMask()([x, np.array([[True, False, True]])])
    assert getattr(x, "_keras_mask", None) is None


def test_the_output_has_the_shape_of_the_tensor():
    layer = SetMask()
    assert layer.compute_output_shape([(2, 4, 3), (2, 4)]) == (2, 4, 3)
    inputs = [keras.Input((None, 3)), keras.Input((None,), dtype="bool")]
    assert layer(inputs).shape == (None, None, 3)


def test_a_saved_model_trains_and_predicts_the_same(tmp_path):
    model = masked_mean_model()
    model.compile("sgd", "mse")
    model.fit(IDS, np.ones((2, 3)), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        loaded.predict(IDS, verbose=0), model.predict(IDS, verbose=0)
    )


def test_the_output_is_of_the_policy():
    layer = SetMask(dtype="mixed_float16")
    x = np.float32([[1.0, 2.0]])
    outputs = layer([x, np.array([[True, False]])])
    assert keras.backend.standardize_dtype(outputs.dtype) == "float16"


def test_the_config_round_trip_keeps_the_name():
    layer = SetMask(name="given_back")
    clone = SetMask.from_config(layer.get_config())
    assert clone.get_config() == layer.get_config()
