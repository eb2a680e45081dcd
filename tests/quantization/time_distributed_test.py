import keras
import numpy as np
import pytest
from keras import layers

import keras_eff
from keras_eff.graph.walk import mask_of
from keras_eff.layers import PruningMask
from keras_eff.layers import TransformedWeights
from keras_eff.layers import WeightFakeQuant
from keras_eff.quantization.expansion import expand


def over_steps(inner, *shape, name="steps"):
    inputs = keras.Input(shape)
    outputs = layers.TimeDistributed(inner, name=name)(inputs)
    return keras.Model(inputs, outputs)


def same(model, expanded, *shape):
    samples = np.random.default_rng(0).standard_normal((3, *shape), "float32")
    expected = keras.ops.convert_to_numpy(model(samples))
    np.testing.assert_allclose(expanded(samples), expected, atol=1e-5)


def kinds(model):
    return [type(x).__name__ for x in model.operations[1:]]


def test_a_dense_layer_takes_the_steps_as_they_are():
    model = over_steps(layers.Dense(3, activation="tanh"), 5, 8)
    expanded, _ = expand(model)
    assert kinds(expanded) == ["Dense", "Activation"]
    assert expanded.get_layer("steps").units == 3
    same(model, expanded, 5, 8)
    assert kinds(expand(over_steps(layers.Dense(3), None, 8))[0]) == ["Dense"]


def test_other_layers_take_all_steps_as_one_batch():
    model = over_steps(layers.Conv2D(3, 2, name="conv"), 5, 6, 6, 2)
    expanded, _ = expand(model)
    assert kinds(expanded) == ["Reshape", "Conv2D", "Reshape"]
    assert expanded.get_layer("steps_conv").filters == 3
    same(model, expanded, 5, 6, 6, 2)


def test_steps_that_follow_one_another_stay_one_batch():
    inputs = x = keras.Input((5, 6, 2))
    for layer in (layers.Conv1D(3, 2), layers.BatchNormalization()):
        x = layers.TimeDistributed(layer)(x)
    model = keras.Model(inputs, x)
    expanded, _ = expand(model)
    assert kinds(expanded).count("Reshape") == 2
    same(model, expanded, 5, 6, 2)


def test_a_nested_model_is_called_on_all_steps():
    inner = keras.Sequential(
        [keras.Input((6, 2)), layers.SeparableConv1D(3, 2), layers.Flatten()],
        name="inner",
    )
    model = over_steps(inner, 5, 6, 2)
    expanded, _ = expand(model)
    assert "DepthwiseConv1D" in kinds(expanded.get_layer("inner"))
    same(model, expanded, 5, 6, 2)
    assert keras_eff.coverage(model).floats == {}


def test_a_layer_that_is_shared_keeps_one_weight():
    shared = layers.TimeDistributed(layers.Dense(8), name="steps")
    inputs = keras.Input((5, 8))
    model = keras.Model(inputs, shared(shared(inputs)))
    expanded, _ = expand(model)
    assert len(expanded.weights) == 2
    same(model, expanded, 5, 8)


def test_the_mask_goes_past_the_steps():
    ids = keras.Input((5,), dtype="int32")
    x = layers.Embedding(7, 8, mask_zero=True)(ids)
    for inner in (layers.Dense(3), layers.RepeatVector(2)):
        outputs = layers.TimeDistributed(inner)(x)
        expanded, _ = expand(keras.Model(ids, outputs))
        assert mask_of(expanded.outputs[0]) is not None


@pytest.mark.parametrize(
    "inner, shape",
    [
        (layers.ELU(), (5, 8)),
        (layers.Conv1D(2, 2), (None, 6, 8)),
        (layers.LSTM(2), (5, 6, 8)),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_what_gains_nothing_stays_as_it_was(inner, shape):
    expanded, _ = expand(over_steps(inner, *shape))
    assert kinds(expanded) == ["TimeDistributed"]


def test_width_name_and_skip_are_those_of_the_whole():
    model = over_steps(layers.Dense(3), 5, 8)
    aware = keras_eff.quantize(model, num_bits={"steps": 4})
    layer = aware.get_layer("steps")
    assert isinstance(layer, TransformedWeights)
    assert layer.transforms[-1].num_bits == 4
    assert keras_eff.coverage(model, "steps").floats == {"steps": "skipped"}
    samples = np.random.default_rng(0).normal(size=(4, 5, 8))
    effects = keras_eff.quantization_sensitivity(model, samples, 8, verbose=0)
    assert "steps" in str(effects)


def test_masks_inside_are_kept():
    inner = TransformedWeights(layers.Dense(4), [PruningMask()])
    aware = keras_eff.quantize(over_steps(inner, 5, 8))
    chain = aware.get_layer("steps").transforms
    assert [type(x) for x in chain] == [PruningMask, WeightFakeQuant]
