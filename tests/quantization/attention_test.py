import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_eff.quantization.expansion import expand


def functional(function, *shapes):
    inputs = [keras.Input(shape) for shape in shapes]
    outputs = function(*inputs)
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs)


def samples(model):
    generator = np.random.default_rng(0)
    arrays = [
        generator.normal(size=(2, *x.shape[1:])).astype("float32")
        for x in model.inputs
    ]
    return arrays if len(arrays) > 1 else arrays[0]


def check(model, training=False, tolerance=1e-5):
    """Expands the model, compares it, and returns the expanded one."""
    generator = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(generator.normal(size=weight.shape) * 0.5)
    expanded, _ = expand(model)
    inputs = samples(model)
    new = keras.tree.flatten(expanded(inputs, training=training))
    old = keras.tree.flatten(model(inputs, training=training))
    for a, b in zip(new, old, strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance, rtol=tolerance)
    return expanded


def is_expanded(model):
    kinds = {type(op).__name__ for op in expand(model)[0].operations}
    return "MultiHeadAttention" not in kinds


@pytest.mark.parametrize(
    "options",
    [
        {},
        # Without dropout, Keras cannot call this one under JAX.
        {"value_dim": 5, "dropout": 0.5},
        {"use_bias": False},
        {"output_shape": 7},
        {"key_dim": 1},
        {"num_heads": 1},
        {"dropout": 0.5},
    ],
    ids=str,
)
def test_self_attention_becomes_plain_layers(options):
    layer = layers.MultiHeadAttention(
        **{"num_heads": 2, "key_dim": 3} | options
    )
    model = functional(lambda x: layer(x, x), (4, 6))
    check(model)
    assert is_expanded(model)


def test_cross_attention_with_a_key_of_its_own():
    layer = layers.MultiHeadAttention(2, 3)
    model = functional(layer, (4, 6), (5, 3), (5, 2))
    check(model)
    assert is_expanded(model)


def test_arguments_by_keyword():
    layer = layers.MultiHeadAttention(2, 3)
    model = functional(
        lambda q, v: layer(query=q, value=v, training=False), (4, 6), (5, 3)
    )
    check(model)
    assert is_expanded(model)


def test_attention_scores_are_returned():
    layer = layers.MultiHeadAttention(2, 3, dropout=0.2)
    model = functional(
        lambda q, v: layer(q, v, return_attention_scores=True), (4, 6), (5, 3)
    )
    expanded = check(model)
    assert expanded.outputs[1].shape == (None, 2, 4, 5)
    assert is_expanded(model)


def test_lengths_may_be_unknown():
    layer = layers.MultiHeadAttention(2, 3)
    model = functional(lambda x: layer(x, x), (None, 6))
    expanded, _ = expand(model)
    inputs = np.ones((2, 4, 6), "float32")
    np.testing.assert_allclose(expanded(inputs), model(inputs), atol=1e-5)


def test_dropout_drops_the_same_scores_in_training():
    layer = layers.MultiHeadAttention(2, 3, dropout=0.5, seed=3)
    model = functional(lambda x: layer(x, x), (4, 6))
    expanded = check(model, training=True)
    inputs = samples(model)
    quiet, loud = expanded(inputs), expanded(inputs, training=True)
    assert np.abs(quiet - loud).max() > 1e-3


def test_shared_attention_stays_shared():
    layer = layers.MultiHeadAttention(2, 3, dropout=0.5, name="mine")
    model = functional(lambda a, b: layer(a, b) + layer(b, a), (4, 6), (4, 6))
    expanded = check(model)
    assert len(expanded.weights) == len(model.weights) == 8
    parts = ("query", "key", "value", "attention_output")
    assert all(expanded.get_layer(f"mine_{part}") for part in parts)


def test_frozen_attention_stays_frozen():
    layer = layers.MultiHeadAttention(2, 3, trainable=False)
    model = functional(lambda x: layer(x, x), (4, 6))
    assert not check(model).trainable_weights


def test_regularizers_are_kept():
    layer = layers.MultiHeadAttention(2, 3, kernel_regularizer="l2")
    model = functional(lambda x: layer(x, x), (4, 6))
    expanded = check(model)
    total = ops.convert_to_numpy(sum(expanded.losses))
    np.testing.assert_allclose(total, sum(model.losses), rtol=1e-5)


def test_the_dtype_policy_is_kept():
    layer = layers.MultiHeadAttention(2, 3, dropout=0.1, dtype="mixed_float16")
    model = functional(lambda x: layer(x, x), (4, 6))
    expanded = check(model, tolerance=2e-2)
    assert expanded.outputs[0].dtype == "float16"


@pytest.mark.parametrize(
    "function",
    [
        lambda m: lambda x: m(x, x, use_causal_mask=True),
        lambda m: lambda x: m(x, x, attention_mask=np.ones((1, 4, 4), bool)),
        lambda m: lambda x: m(*[layers.Masking()(x)] * 2),
    ],
    ids=["causal", "explicit", "implicit"],
)
def test_masked_attention_stays_as_it_is(function):
    layer = layers.MultiHeadAttention(2, 3)
    model = functional(function(layer), (4, 6))
    check(model)
    assert not is_expanded(model)


@pytest.mark.parametrize(
    "options, shape",
    [
        ({"kernel_constraint": "non_neg"}, (4, 6)),
        ({"output_shape": (2, 3)}, (4, 6)),
        ({"sliding_window": 2}, (4, 6)),
        ({"use_gate": True}, (4, 6)),
        ({"attention_axes": (1,)}, (4, 5, 6)),
    ],
    ids=str,
)
def test_attention_of_another_kind_stays_as_it_is(options, shape):
    layer = layers.MultiHeadAttention(2, 3, **options)
    model = functional(lambda x: layer(x, x), shape)
    check(model)
    assert not is_expanded(model)
