import json

import keras
import numpy as np
import pytest
from keras import ops

from keras_eff.layers.token_distortion import TokenDistortion

# Distinct characters: each edit of a row that is not full changes it.
WORD = [7, 3, 9, 4, 1, 0]
FULL = [7, 3, 9, 4, 1, 8]


def distort(layer, tokens, training=True):
    outputs = layer(np.int32(tokens), training=training)
    return ops.convert_to_numpy(outputs)


def rows(row, count=3000):
    return np.tile(np.int32(row), (count, 1))


def row_of(token, size):
    return tuple((list(token) + [0] * size)[:size])


def edits(row):
    """Dict of sets, the rows that each edit makes of a row, with repeats."""
    token, size = [x for x in row if x], len(row)
    found = {"deletion": [], "swap": [], "insertion": []}
    for i in range(len(token)):
        found["deletion"].append(token[:i] + token[i + 1 :] or token)
        found["insertion"] += [token[:i] + [x] + token[i:] for x in token]
    for i in range(len(token) - 1):
        swapped = [token[i + 1], token[i]]
        found["swap"].append(token[:i] + swapped + token[i + 2 :])
    found["swap"] = found["swap"] or [token]
    return {
        kind: {row_of(edited, size) for edited in edited_tokens}
        for kind, edited_tokens in found.items()
    }


def counts(layer, row, count=3000):
    """Dict of what became of copies of a row, and how many times."""
    outputs, numbers = np.unique(
        distort(layer, rows(row, count)), axis=0, return_counts=True
    )
    return dict(zip(map(tuple, outputs), numbers.tolist(), strict=True))


@pytest.mark.parametrize(
    "row", [WORD, FULL, [5, 6, 0, 0], [5, 6], [4, 4, 5, 0], [1114111, 32, 0]]
)
def test_each_row_is_one_edit_away_and_all_edits_occur(row):
    found = set(counts(TokenDistortion(1.0, seed=1), row))
    assert found == set().union(*edits(row).values())


@pytest.mark.parametrize("row", [WORD, FULL])
def test_edits_of_each_kind_are_as_likely_at_each_position(row):
    expected = dict.fromkeys(set().union(*edits(row).values()), 0.0)
    token = [x for x in row if x]
    for edited in edits(row)["deletion"]:
        expected[edited] += 1 / 3 / len(token)
    for edited in edits(row)["swap"]:
        expected[edited] += 1 / 3 / (len(token) - 1)
    for i in range(len(token)):
        for source in token:
            edited = row_of(token[:i] + [source] + token[i:], len(row))
            expected[edited] += 1 / 3 / len(token) ** 2
    found = counts(TokenDistortion(1.0, seed=2), row, 30_000)
    for edited, share in expected.items():
        assert found[edited] / 30_000 == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.6, 1.0])
def test_rate_is_the_share_of_tokens_distorted(rate):
    outputs = distort(TokenDistortion(rate, seed=3), rows(WORD, 10_000))
    share = (outputs != WORD).any(axis=-1).mean()
    tolerance = 0.02 if 0 < rate < 1 else 0.0
    assert share == pytest.approx(rate, abs=tolerance)


def test_tokens_are_distorted_one_by_one():
    tokens = np.zeros((50, 40, 8), "int32")
    tokens[..., :5] = WORD[:5]
    is_changed = (distort(TokenDistortion(0.5, seed=4), tokens) != tokens).any(
        axis=-1
    )
    for axis in (0, 1):
        share = is_changed.mean(axis=axis)
        assert 0.1 < share.min() < share.max() < 0.9


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4), (2, 5, 3, 4)])
def test_shape_and_dtype_stay(shape):
    tokens = np.random.default_rng(0).integers(1, 9, shape)
    outputs = distort(TokenDistortion(1.0), tokens)
    assert outputs.shape == shape
    assert outputs.dtype == np.int32
    symbolic = TokenDistortion()(keras.Input(shape, dtype="int32"))
    assert symbolic.shape == (None, *shape)
    assert symbolic.dtype == "int32"
    assert TokenDistortion().compute_output_shape(shape) == shape


def test_each_token_of_a_text_is_edited_by_itself():
    tokens = np.random.default_rng(0).integers(1, 99, (20, 5, 6))
    tokens *= np.arange(6) < np.arange(1, 6)[:, None]
    outputs = distort(TokenDistortion(1.0, seed=5), tokens)
    for token, edited in zip(
        tokens.reshape(-1, 6), outputs.reshape(-1, 6), strict=True
    ):
        assert tuple(edited) in set().union(*edits(token.tolist()).values())


@pytest.mark.parametrize("size", [1, 4])
def test_padding_stays(size):
    assert set(counts(TokenDistortion(1.0), [0] * size)) == {(0,) * size}


def test_a_token_of_one_character_is_only_inserted_into():
    found = counts(TokenDistortion(1.0, seed=6), [5, 0, 0])
    assert set(found) == {(5, 0, 0), (5, 5, 0)}
    assert found[5, 5, 0] / 3000 == pytest.approx(1 / 3, abs=0.03)
    assert set(counts(TokenDistortion(1.0), [5])) == {(5,)}


def test_inference_is_the_identity():
    layer = TokenDistortion(1.0)
    assert (distort(layer, rows(WORD), training=False) == WORD).all()
    model = keras.Sequential([keras.Input((6,), dtype="int32"), layer])
    assert (model.predict(rows(WORD), verbose=0) == WORD).all()


def test_a_seed_gives_the_same_distortions():
    first, second, other = (TokenDistortion(0.5, seed=s) for s in (7, 7, 8))
    outputs = distort(first, rows(WORD))
    np.testing.assert_array_equal(distort(second, rows(WORD)), outputs)
    assert (distort(other, rows(WORD)) != outputs).any()
    assert (distort(first, rows(WORD)) != outputs).any()


def test_empty_batches_are_taken():
    layer = TokenDistortion(1.0)
    assert distort(layer, np.zeros((0, 3, 4))).shape == (0, 3, 4)
    assert distort(layer, np.zeros((2, 0, 4))).shape == (2, 0, 4)


def model_of_tokens(**options):
    """A model whose output is, in training, the distorted tokens."""
    tokens = keras.Input((3, 6), dtype="int32")
    x = TokenDistortion(1.0, seed=9)(tokens)
    x = keras.layers.Embedding(10, 4)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(tokens, keras.layers.Dense(1)(x))
    model.compile("sgd", "mse", **options)
    return model


@pytest.mark.parametrize(
    "options", [{"jit_compile": True}, {"jit_compile": False}]
)
def test_it_trains_compiled(options):
    model = model_of_tokens(**options)
    x, y = np.tile(np.int32(WORD), (10, 3, 1)), np.ones((10, 1))
    # The last batch is smaller.
    history = model.fit(x, y, batch_size=4, epochs=3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.function"
)
@pytest.mark.parametrize("jit_compile", [True, False])
def test_compiled_distortions_are_edits(jit_compile):
    import tensorflow as tf

    layer = TokenDistortion(1.0, seed=1)
    layer.build((None, 6))
    shape = (None, 6) if jit_compile else (None, None)
    function = tf.function(
        lambda tokens: layer(tokens, training=True),
        jit_compile=jit_compile,
        input_signature=[tf.TensorSpec(shape, tf.int32)],
    )
    outputs = function(rows(WORD)).numpy()
    found = set(map(tuple, outputs.tolist()))
    assert found == set().union(*edits(WORD).values())


def test_config_makes_the_same_layer():
    layer = TokenDistortion(0.3, seed=5, name="distortion")
    config = json.loads(json.dumps(layer.get_config()))
    clone = TokenDistortion.from_config(config)
    assert (clone.rate, clone.seed, clone.name) == (0.3, 5, "distortion")
    serialized = keras.saving.serialize_keras_object(layer)
    assert serialized["registered_name"] == "keras_eff>TokenDistortion"


def test_a_model_is_saved_and_loaded(tmp_path):
    model = model_of_tokens()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = np.tile(np.int32(FULL), (4, 3, 1))
    np.testing.assert_array_equal(
        loaded.predict(x, verbose=0), model.predict(x, verbose=0)
    )
    assert loaded.layers[1].rate == 1.0


def test_a_policy_of_half_floats_leaves_the_tokens_as_they_are():
    layer = TokenDistortion(1.0, seed=1, dtype="mixed_float16")
    tokens = rows([60_001, 60_002, 60_003, 0])
    outputs = distort(layer, tokens)
    assert outputs.dtype == np.int32
    assert set(np.unique(outputs)) == set(np.unique(tokens))


def test_mask_passes_through():
    layer = TokenDistortion()
    assert layer.supports_masking
    mask = np.array([[True, False]])
    np.testing.assert_array_equal(
        layer.compute_mask(np.ones((1, 2), "int32"), mask), mask
    )


@pytest.mark.parametrize("dtype", ["float32", "bool"])
def test_a_tensor_that_is_not_of_integers_is_refused(dtype):
    message = f"an integer tensor.* Received: a tensor of dtype {dtype}"
    with pytest.raises(TypeError, match=message):
        TokenDistortion()(np.ones((2, 3), dtype))
    with pytest.raises(TypeError, match=message):
        TokenDistortion()(keras.Input((3,), dtype=dtype))


@pytest.mark.parametrize("rate", [-0.1, 1.1, True, "0.5", np.nan, None])
def test_rate_is_a_float_from_0_to_1(rate):
    message = r"`rate` must be a float in \[0, 1\]. Received: rate="
    with pytest.raises(ValueError, match=message):
        TokenDistortion(rate)
