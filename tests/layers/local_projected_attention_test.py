import inspect

import keras
import numpy as np
import pytest
from keras import ops

from keras_eff.layers import LocalProjectedAttention
from keras_eff.layers.local_attention_pooling import LocalAttentionPooling

HEADS, KEY_DIM, FEATURES = 2, 3, 5
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def samples(length=10, seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(2, length, FEATURES)).astype("float32")


def made(*args, **options):
    """A layer with every weight far from zero."""
    layer = LocalProjectedAttention(HEADS, KEY_DIM, *args, **options)
    layer.build((None, None, FEATURES))
    generator = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(generator.normal(size=weight.shape))
    return layer


def run(layer, x, **options):
    outputs = layer(x, **options)
    return keras.tree.map_structure(ops.convert_to_numpy, outputs)


def softmax(x):
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def loop(x, weights, group_size, mask=None):
    """Dense layers around attention, for each row, group and head."""
    mask = np.ones(x.shape[:2], bool) if mask is None else mask
    of_query, of_value, of_output = weights[:2], weights[3:5], weights[5:]
    of_key = (weights[2], 0.0)
    rows = []
    for row, counts in zip(x, mask, strict=True):
        groups = []
        for start in range(0, len(row), group_size):
            group = slice(start, start + group_size)
            inside = row[group][counts[group]]
            parts = [
                np.split(inside @ kernel + bias, HEADS, axis=-1)
                for kernel, bias in (of_query, of_key, of_value)
            ]
            pooled = np.zeros(of_value[0].shape[1])
            if len(inside):
                heads = [
                    (softmax(q @ k.T / np.sqrt(KEY_DIM)) @ v).mean(axis=0)
                    for q, k, v in zip(*parts, strict=True)
                ]
                pooled = np.concatenate(heads)
            groups.append(pooled @ of_output[0] + of_output[1])
        rows.append(groups)
    return np.array(rows)


@pytest.mark.parametrize("options", [{"output_dim": 4}, {"value_dim": 2}])
def test_contract(contract, options):
    contract(
        lambda: LocalProjectedAttention(HEADS, KEY_DIM, 3, **options),
        (7, FEATURES),
    )


@pytest.mark.parametrize("group_size", [2, 3, 5, 12])
@pytest.mark.parametrize("length", [1, 10])
@pytest.mark.parametrize(
    "options", [{}, {"value_dim": 4}, {"output_dim": 7, "value_dim": 1}]
)
def test_outputs_equal_a_loop(options, length, group_size):
    layer, x = made(group_size, **options), samples(length)
    expected = loop(x, layer.get_weights(), group_size)
    outputs = run(layer, x)
    size = options.get("output_dim", FEATURES)
    assert outputs.shape == (2, -(-length // group_size), size)
    np.testing.assert_allclose(outputs, expected, **CLOSE)


@pytest.mark.parametrize("group_size", [3, 5])
def test_masked_positions_have_no_part(group_size):
    layer, x = made(group_size), samples()
    mask = np.random.default_rng(2).random((2, 10)) > 0.5
    mask[0, :5] = False
    expected = loop(x, layer.get_weights(), group_size, mask)
    np.testing.assert_allclose(run(layer, x, mask=mask), expected, **CLOSE)


@pytest.mark.parametrize("value_dim", [None, 4])
def test_one_group_is_the_mean_of_multi_head_attention(value_dim):
    layer, x = made(10, value_dim=value_dim), samples()
    twin = keras.layers.MultiHeadAttention(HEADS, KEY_DIM, value_dim)
    twin.build(x.shape, x.shape)
    # Of Keras, a kernel has an axis for the heads.
    weights = layer.get_weights()
    # Whatever their bias is, it changes no share.
    bias_of_keys = np.random.default_rng(3).normal(size=HEADS * KEY_DIM)
    weights.insert(3, bias_of_keys)
    for weight, values in zip(twin.weights, weights, strict=True):
        weight.assign(values.reshape(weight.shape))
    expected, scores = run(twin, x, value=x, return_attention_scores=True)
    found, of_groups = run(layer, x, return_attention_scores=True)
    expected = expected.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, **CLOSE)
    np.testing.assert_allclose(of_groups[:, 0], scores, **CLOSE)


def test_layers_behind_it_see_a_mask_of_groups():
    ids = np.array([[1, 2, 0, 3, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1]])
    embedding = keras.layers.Embedding(4, FEATURES, mask_zero=True)
    layer = made(3)
    tokens = keras.Input((7,), dtype="int32")
    hidden = layer(embedding(tokens))
    outputs = keras.layers.GlobalAveragePooling1D()(hidden)
    found = keras.Model(tokens, outputs).predict(ids, verbose=0)
    x = ops.convert_to_numpy(embedding(ids))
    groups = loop(x, layer.get_weights(), 3, ids > 0)
    # The third group of both rows is one position.
    expected = [groups[0, :2].mean(axis=0), groups[1, 2]]
    np.testing.assert_allclose(found, expected, **CLOSE)


@pytest.mark.parametrize("return_attention_scores", [False, True])
@pytest.mark.parametrize("mask", [False, True])
def test_symbolic_shapes_are_those_of_eager_tensors(
    mask, return_attention_scores
):
    layer = made(4, output_dim=6)
    options = {"return_attention_scores": return_attention_scores}
    masks = [None, None]
    if mask:
        masks = keras.Input((10,), batch_size=2, dtype="bool"), np.ones((2, 10))
    inputs = keras.Input((10, FEATURES), batch_size=2)
    symbolic = layer(inputs, mask=masks[0], **options)
    eager = layer(samples(), mask=masks[1], **options)
    keras.tree.assert_same_structure(symbolic, eager)
    shapes = [x.shape for x in keras.tree.flatten(symbolic)]
    assert shapes == [tuple(x.shape) for x in keras.tree.flatten(eager)]
    assert shapes[0] == (2, 3, 6)
    assert shapes[1:] == [(2, 3, HEADS, 4, 4)] * return_attention_scores


def test_rows_of_the_attention_sum_to_1():
    outputs, scores = run(made(4), samples(), return_attention_scores=True)
    np.testing.assert_allclose(scores.sum(axis=-1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(outputs, run(made(4), samples()))


def test_a_length_unknown_to_the_model_changes_nothing():
    layer = made(4)
    inputs = keras.Input((None, FEATURES))
    outputs = layer(inputs)
    assert outputs.shape == (None, None, FEATURES)
    model = keras.Model(inputs, outputs)
    for length in (10, 8, 1):
        x = samples(length)
        found = model.predict(x, verbose=0)
        np.testing.assert_allclose(found, run(layer, x), **CLOSE)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="only a graph of TensorFlow has a dynamic length",
)
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_length_unknown_to_the_graph_changes_nothing(jit_compile):
    import tensorflow as tf

    layer = made(4)
    function = tf.function(
        lambda x, mask: (layer(x), layer(x, mask=mask)),
        input_signature=[
            tf.TensorSpec((None, None, FEATURES)),
            tf.TensorSpec((None, None), tf.bool),
        ],
        jit_compile=jit_compile,
    )
    for length in (1, 8, 10):
        x, mask = samples(length), samples(length)[..., 0] > 0
        plain, masked = function(x, mask)
        np.testing.assert_allclose(plain.numpy(), run(layer, x), **CLOSE)
        expected = run(layer, x, mask=mask)
        np.testing.assert_allclose(masked.numpy(), expected, **CLOSE)


def test_no_positions_make_no_groups():
    assert run(made(4), samples(0)).shape == (2, 0, FEATURES)


def test_dropout_is_for_training_only_and_repeats_with_a_seed():
    x = samples()
    first, second, plain = (
        made(4, dropout=dropout, seed=1) for dropout in (0.5, 0.5, 0.0)
    )
    expected = run(plain, x)
    np.testing.assert_array_equal(run(first, x), expected)
    dropped = run(first, x, training=True)
    np.testing.assert_array_equal(run(second, x, training=True), dropped)
    assert not np.allclose(dropped, expected)
    np.testing.assert_array_equal(run(plain, x, training=True), expected)


def test_gradients_equal_finite_differences(gradient):
    layer, x = made(3, value_dim=2, output_dim=2), samples(4)
    mask = np.array([[True, True, False, True], [True] * 4])
    weights = [weight.astype("float64") for weight in layer.get_weights()]
    ends = np.cumsum([weight.size for weight in weights])
    flat = np.concatenate([weight.ravel() for weight in weights])
    factors = np.random.default_rng(2).normal(size=(2, 2, 2))

    def split(flat):
        return [
            flat[end - weight.size : end]
            for weight, end in zip(weights, ends, strict=True)
        ]

    def ours(flat):
        parts = [
            ops.reshape(part, weight.shape)
            for part, weight in zip(split(flat), weights, strict=True)
        ]
        outputs, _ = layer.stateless_call(parts, [], x, mask=mask)
        return outputs * factors.astype("float32")

    def loss(flat):
        parts = [
            part.reshape(weight.shape)
            for part, weight in zip(split(flat), weights, strict=True)
        ]
        return (loop(x, parts, 3, mask) * factors).sum()

    steps = 1e-5 * np.eye(len(flat))
    expected = [(loss(flat + s) - loss(flat - s)) / 2e-5 for s in steps]
    found = gradient(ours, flat.astype("float32"))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_the_pooling_is_a_layer_of_its_own():
    layer, x = made(4), samples()
    assert isinstance(layer.pooling, LocalAttentionPooling)
    parts = [dense(x) for dense in (layer.query_dense, layer.key_dense)]
    pooled = layer.pooling(*parts, layer.value_dense(x))
    found = ops.convert_to_numpy(layer.output_dense(pooled))
    np.testing.assert_allclose(found, run(layer, x), **CLOSE)


def test_without_a_bias_there_are_four_kernels():
    layer, x = made(4, use_bias=False), samples()
    shapes = [weight.shape for weight in layer.weights]
    assert shapes == 3 * [(FEATURES, 6)] + [(6, FEATURES)]
    query, key, value, output = layer.get_weights()
    weights = [query, 0.0, key, value, 0.0, output, 0.0]
    np.testing.assert_allclose(run(layer, x), loop(x, weights, 4), **CLOSE)


def test_arguments_of_the_weights_reach_all_four():
    layer = LocalProjectedAttention(
        HEADS,
        KEY_DIM,
        kernel_initializer="ones",
        bias_initializer=keras.initializers.Constant(2.0),
        kernel_regularizer=keras.regularizers.L2(0.5),
        bias_constraint="non_neg",
    )
    clone = LocalProjectedAttention.from_config(layer.get_config())
    assert clone.get_config() == layer.get_config()
    clone.build((2, 7, FEATURES))
    kernels = [x for x in clone.weights if x.name == "kernel"]
    biases = [x for x in clone.weights if x.name == "bias"]
    assert len(kernels) == len(clone.losses) == 4
    # The keys have none.
    assert len(biases) == 3 and len(clone.weights) == 7
    for kernel in kernels:
        assert (ops.convert_to_numpy(kernel) == 1).all()
    for bias in biases:
        assert (ops.convert_to_numpy(bias) == 2).all()
        assert isinstance(bias.constraint, keras.constraints.NonNeg)
    total = 0.5 * 4 * FEATURES * HEADS * KEY_DIM
    assert float(sum(clone.losses)) == pytest.approx(total)


def test_each_dense_layer_draws_weights_of_its_own():
    layer = LocalProjectedAttention(HEADS, KEY_DIM)
    layer.build((2, 7, FEATURES))
    query, key, value = (layer.get_weights()[i] for i in (0, 2, 3))
    assert (query != key).any() and (key != value).any()


def test_every_argument_is_in_the_config():
    options = {
        "group_size": 5,
        "value_dim": 4,
        "output_dim": 6,
        "dropout": 0.25,
        "use_bias": False,
        "seed": 7,
    }
    layer = LocalProjectedAttention(HEADS, KEY_DIM, **options)
    config = layer.get_config()
    assert options.items() <= config.items()
    parameters = inspect.signature(LocalProjectedAttention).parameters
    assert set(parameters) - {"kwargs"} <= set(config)
    clone = LocalProjectedAttention.from_config(config)
    assert clone.get_config() == config


@pytest.mark.parametrize(
    "name", ["num_heads", "key_dim", "group_size", "value_dim", "output_dim"]
)
@pytest.mark.parametrize("value", [0, 2.0])
def test_sizes_are_positive_integers(name, value):
    options = {"num_heads": HEADS, "key_dim": KEY_DIM, name: value}
    message = f"`{name}` must be (a positive|an) integer.*Received: {name}="
    with pytest.raises(ValueError, match=message):
        LocalProjectedAttention(**options)


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_dropout_is_a_float_below_1(dropout):
    with pytest.raises(ValueError, match=f"Received: .*={dropout}"):
        LocalProjectedAttention(HEADS, KEY_DIM, dropout=dropout)


def test_inputs_have_three_dimensions():
    with pytest.raises(ValueError, match="expected ndim=3, found ndim=2"):
        LocalProjectedAttention(HEADS, KEY_DIM)(np.ones((2, 3)))
