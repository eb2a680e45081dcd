import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import strategies as st
from keras import ops

from keras_eff.layers.local_attention_pooling import LocalAttentionPooling

HEADS, KEY_DIM, VALUE_DIM = 2, 3, 2
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def data(length=10, batch=2):
    generator = np.random.default_rng(length)
    sizes = [KEY_DIM, KEY_DIM, VALUE_DIM]
    return [
        generator.normal(size=(batch, length, HEADS * size)).astype("float32")
        for size in sizes
    ]


def run(layer, *args, **options):
    outputs = layer(*args, **options)
    return keras.tree.map_structure(ops.convert_to_numpy, outputs)


def softmax(x):
    exponentials = np.exp(x - x.max())
    return exponentials / exponentials.sum()


def loop(query, key, value, group_size, mask=None):
    """The formula, for each row, group, head and query."""
    batch, length, size = value.shape
    mask = np.ones((batch, length), bool) if mask is None else mask
    count = -(-length // group_size)
    outputs = np.zeros((batch, count, size))
    for row, group in np.ndindex(batch, count):
        start = group * group_size
        places = start + np.flatnonzero(mask[row, start : start + group_size])
        for head in range(HEADS):
            of_keys = slice(head * KEY_DIM, (head + 1) * KEY_DIM)
            of_values = slice(head * VALUE_DIM, (head + 1) * VALUE_DIM)
            keys = key[row, places, of_keys]
            for place in places:
                scores = keys @ query[row, place, of_keys] / np.sqrt(KEY_DIM)
                attended = softmax(scores) @ value[row, places, of_values]
                outputs[row, group, of_values] += attended / len(places)
    return outputs


def made_model(length=10, mask=False, **options):
    layer = LocalAttentionPooling(HEADS, group_size=4, **options)
    inputs = [keras.Input((length, x.shape[-1])) for x in data()]
    if not mask:
        return keras.Model(inputs, layer(*inputs))
    of_mask = keras.Input((length,), dtype="bool")
    return keras.Model([*inputs, of_mask], layer(*inputs, mask=of_mask))


@pytest.mark.parametrize("group_size", [2, 4, 5, 10, 11, 17])
@pytest.mark.parametrize("length", [1, 3, 10])
def test_outputs_equal_a_loop(length, group_size):
    layer = LocalAttentionPooling(HEADS, group_size)
    arrays = data(length)
    outputs = run(layer, *arrays)
    assert outputs.shape == (2, -(-length // group_size), HEADS * VALUE_DIM)
    np.testing.assert_allclose(outputs, loop(*arrays, group_size), **CLOSE)


def test_no_positions_make_no_groups():
    outputs = LocalAttentionPooling(HEADS)(*data(0))
    assert tuple(outputs.shape) == (2, 0, HEADS * VALUE_DIM)


masks = st.lists(
    st.lists(st.booleans(), min_size=10, max_size=10), min_size=2, max_size=2
)


@hypothesis.settings(deadline=None, max_examples=40, derandomize=True)
@hypothesis.given(masks, st.sampled_from([2, 3, 4, 5]))
def test_masked_positions_neither_attend_nor_are_attended_to(mask, group_size):
    mask, arrays = np.array(mask), data()
    layer = LocalAttentionPooling(HEADS, group_size)
    outputs = run(layer, *arrays, mask=mask)
    expected = loop(*arrays, group_size, mask)
    np.testing.assert_allclose(outputs, expected, **CLOSE)
    changed = [np.where(mask[..., None], x, 70.0) for x in arrays]
    again = run(layer, *changed, mask=mask)
    np.testing.assert_allclose(again, outputs, **CLOSE)


def test_a_group_of_masked_positions_has_zeros():
    mask = np.ones((2, 10), bool)
    mask[0, 4:8] = mask[1] = False
    layer = LocalAttentionPooling(HEADS, group_size=4)
    outputs = run(layer, *data(), mask=mask)
    assert not outputs[0, 1].any() and not outputs[1].any()
    assert outputs[0, [0, 2]].all()


@pytest.mark.parametrize("length", [8, 10])
def test_a_mask_that_hides_nothing_changes_nothing(length):
    layer = LocalAttentionPooling(HEADS, group_size=4)
    arrays, mask = data(length), np.ones((2, length), bool)
    found = run(layer, *arrays, mask=mask)
    np.testing.assert_allclose(found, run(layer, *arrays), **CLOSE)


@pytest.mark.parametrize("hidden", [0.0, 0.4])
def test_heads_in_one_product_and_heads_apart_give_the_same(hidden):
    layer = LocalAttentionPooling(HEADS, group_size=4)
    assert layer.heads_together == HEADS
    mask = np.random.default_rng(0).random((2, 10)) >= hidden
    mask[:, ::4] = True
    options = {"mask": mask, "return_attention_scores": True}
    together = run(layer, *data(), **options)
    layer.heads_together = 1
    apart = run(layer, *data(), **options)
    for found, expected in zip(together, apart, strict=True):
        np.testing.assert_allclose(found, expected, **CLOSE)


def test_heads_of_large_groups_are_moved_apart():
    assert LocalAttentionPooling(8, group_size=4).heads_together == 8
    assert LocalAttentionPooling(8, group_size=5).heads_together == 1


@pytest.mark.parametrize("length", [8, 10])
def test_the_attention_is_returned_queries_before_keys(length):
    layer = LocalAttentionPooling(HEADS, group_size=4)
    query, key, value = data(length)
    outputs, scores = run(
        layer, query, key, value, return_attention_scores=True
    )
    groups = -(-length // 4)
    assert scores.shape == (2, groups, HEADS, 4, 4)
    np.testing.assert_allclose(scores.sum(axis=-1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(outputs, run(layer, query, key, value))
    # The second query of the first group, by the second head.
    dots = key[0, :4, KEY_DIM:] @ query[0, 1, KEY_DIM:]
    expected = softmax(dots / np.sqrt(KEY_DIM))
    np.testing.assert_allclose(scores[0, 0, 1, 1], expected, **CLOSE)


def test_masked_keys_get_no_attention():
    mask = np.random.default_rng(0).random((2, 8)) > 0.4
    mask[:, [0, 4]] = True
    layer = LocalAttentionPooling(HEADS, group_size=4)
    _, scores = run(layer, *data(8), mask=mask, return_attention_scores=True)
    is_masked = ~mask.reshape(2, 2, 1, 1, 4)
    assert not scores[np.broadcast_to(is_masked, scores.shape)].any()
    np.testing.assert_allclose(scores.sum(axis=-1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("return_attention_scores", [False, True])
@pytest.mark.parametrize("length", [8, 10])
def test_symbolic_shapes_are_those_of_eager_tensors(
    length, return_attention_scores
):
    layer = LocalAttentionPooling(HEADS, group_size=4)
    options = {"return_attention_scores": return_attention_scores}
    symbolic = layer(
        *(keras.Input(x.shape[1:], batch_size=2) for x in data(length)),
        **options,
    )
    eager = layer(*data(length), **options)
    keras.tree.assert_same_structure(symbolic, eager)
    pairs = zip(*map(keras.tree.flatten, (symbolic, eager)), strict=True)
    for a, b in pairs:
        assert a.shape == tuple(b.shape)


@pytest.mark.parametrize("mask", [False, True])
def test_a_length_unknown_to_the_model_changes_nothing(mask):
    model = made_model(None, mask)
    for length in (10, 8, 1):
        arrays = data(length)
        if mask:
            hidden = np.random.default_rng(0).random((2, length)) > 0.4
            arrays.append(hidden)
        found = model.predict(arrays, verbose=0)
        expected = loop(*arrays[:3], 4, hidden if mask else None)
        np.testing.assert_allclose(found, expected, **CLOSE)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="only a graph of TensorFlow has a dynamic length",
)
def test_a_length_unknown_to_the_graph_changes_nothing():
    import tensorflow as tf

    layer = LocalAttentionPooling(HEADS, group_size=4)
    specs = [tf.TensorSpec((None, None, x.shape[-1])) for x in data()]
    function = tf.function(lambda *x: layer(*x), input_signature=specs)
    for length in (0, 1, 8, 10):
        arrays = data(length)
        found = function(*arrays).numpy()
        np.testing.assert_allclose(found, loop(*arrays, 4), **CLOSE)


def test_dropout_drops_attention_in_training_only():
    arrays = data(8)
    layer = LocalAttentionPooling(HEADS, 4, dropout=0.5, seed=1)
    plain = LocalAttentionPooling(HEADS, 4)
    options = {"return_attention_scores": True}
    outputs, scores = run(plain, *arrays, **options)
    np.testing.assert_array_equal(run(layer, *arrays), outputs)
    found, dropped = run(layer, *arrays, training=True, **options)
    assert 0 < (dropped == 0).mean() < 1
    is_kept = dropped != 0
    np.testing.assert_allclose(dropped[is_kept], 2 * scores[is_kept], **CLOSE)
    assert not np.allclose(found, outputs)


def test_dropout_leaves_the_mean_over_the_queries_that_count():
    arrays, mask = data(4), np.array([[True] * 3 + [False]] * 2)
    layer = LocalAttentionPooling(HEADS, 4, dropout=0.5, seed=1)
    found, scores = run(
        layer, *arrays, mask=mask, training=True, return_attention_scores=True
    )
    mean = scores[:, 0, :, :3].mean(axis=2)
    values = arrays[-1].reshape(2, 4, HEADS, VALUE_DIM)
    expected = np.einsum("bhk,bkhv->bhv", mean, values).reshape(2, 1, -1)
    np.testing.assert_allclose(found, expected, **CLOSE)


def test_without_dropout_training_and_inference_are_alike():
    layer = LocalAttentionPooling(HEADS)
    found = run(layer, *data(), training=True)
    np.testing.assert_array_equal(found, run(layer, *data()))
    assert not layer.weights


def test_a_seed_repeats_dropout():
    first, second, other = (
        run(
            LocalAttentionPooling(HEADS, dropout=0.5, seed=seed),
            *data(),
            training=True,
        )
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


@pytest.mark.parametrize("length", [4, 5])
@pytest.mark.parametrize("which", range(3))
def test_gradients_equal_finite_differences(which, length, gradient):
    arrays = data(length, batch=1)
    mask = np.random.default_rng(1).random((1, length)) > 0.3
    layer = LocalAttentionPooling(HEADS, group_size=3)
    factors = np.random.default_rng(2).normal(size=(1, 2, HEADS * VALUE_DIM))

    def replaced(x):
        return [x if i == which else a for i, a in enumerate(arrays)]

    def loss(x):
        return (loop(*replaced(x), 3, mask) * factors).sum()

    found = gradient(
        lambda x: layer(*replaced(x), mask=mask) * factors.astype("float32"),
        arrays[which],
    )
    x = arrays[which].astype("float64")
    expected = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[index] = 1e-5
        expected[index] = (loss(x + step) - loss(x - step)) / 2e-5
    assert expected.any()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_half_precision_neither_overflows_nor_sees_what_is_masked():
    arrays, mask = data(), np.random.default_rng(0).random((2, 10)) > 0.5
    half = LocalAttentionPooling(HEADS, dtype="mixed_float16")
    found = run(half, *arrays, mask=mask)
    assert found.dtype == "float16"
    symbolic = half(*(keras.Input(x.shape[1:]) for x in arrays))
    assert symbolic.dtype == "float16"
    expected = loop(*arrays, 4, mask)
    np.testing.assert_allclose(found.astype("float32"), expected, atol=0.02)


@pytest.mark.parametrize("length", [8, 10])
def test_a_group_counts_if_one_of_its_positions_does(length):
    mask = np.zeros((2, length), bool)
    mask[0, 3] = mask[1, 4:6] = mask[1, -1] = True
    layer = LocalAttentionPooling(HEADS, group_size=4)
    found = ops.convert_to_numpy(layer.compute_mask(data(length)[0], mask))
    starts = range(0, length, 4)
    expected = np.stack([mask[:, i : i + 4].any(axis=1) for i in starts], 1)
    np.testing.assert_array_equal(found, expected)
    assert layer.compute_mask(data()[0], None) is None


def test_the_config_round_trip_keeps_the_arguments():
    layer = LocalAttentionPooling(HEADS, 5, dropout=0.25, seed=3)
    config = layer.get_config()
    clone = LocalAttentionPooling.from_config(config)
    assert clone.get_config() == config
    options = {"num_heads": HEADS, "group_size": 5, "dropout": 0.25, "seed": 3}
    assert options.items() <= config.items()


def test_a_saved_model_predicts_the_same(tmp_path):
    model, arrays = made_model(dropout=0.5), data()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        loaded.predict(arrays, verbose=0), model.predict(arrays, verbose=0)
    )


@pytest.mark.parametrize("name", ["num_heads", "group_size"])
@pytest.mark.parametrize("value", [0, 2.0])
def test_sizes_are_large_enough_integers(name, value):
    options = {"num_heads": HEADS, name: value}
    message = f"`{name}` must be (a positive|an) integer.*Received: {name}="
    with pytest.raises(ValueError, match=message):
        LocalAttentionPooling(**options)


def test_a_group_has_more_than_one_position():
    with pytest.raises(ValueError, match=">= 2. Received: group_size=1"):
        LocalAttentionPooling(HEADS, group_size=1)


@pytest.mark.parametrize("dropout", [-0.1, 1.0, 1.5])
def test_dropout_is_a_float_below_1(dropout):
    with pytest.raises(ValueError, match=f"Received: .*={dropout}"):
        LocalAttentionPooling(HEADS, dropout=dropout)
