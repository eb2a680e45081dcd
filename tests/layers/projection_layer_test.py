import json

import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import strategies as st
from keras import ops

from keras_eff.layers.projection_layer import ProjectionLayer

VALUES = ["ternary", "binary", "sign"]
EXTREMES = [0, 1, -1, 97, 0x10FFFF, 0x110000, 2**31 - 1, -(2**31)]
LETTERS = "etaoinshrdlucmfw"

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.function"
)


def values_of(inputs, *args, **options):
    return ops.convert_to_numpy(ProjectionLayer(*args, **options)(inputs))


def rows(words, length):
    """Words as rows of code points."""
    codes = np.zeros((len(words), length), "int32")
    for row, word in zip(codes, words, strict=True):
        row[: len(word)] = list(map(ord, word))
    return codes


def random_inputs(rank):
    """Any int32 values: ids, or words of 0 to 6 of them."""
    generator = np.random.default_rng(rank)
    shape = (4, 9, 6)[:rank]
    inputs = generator.integers(-(2**31), 2**31, shape).astype("int32")
    if rank == 3:
        lengths = np.minimum(generator.integers(0, 9, shape[:2]), 6)
        inputs *= np.arange(6) < lengths[..., None]
    inputs[0].flat[:8] = EXTREMES
    return inputs


@np.errstate(over="ignore")
def fmix32(x):
    x = np.asarray(x, "uint32")
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return x ^ (x >> np.uint32(16))


def odd(count):
    return fmix32(np.arange(count)) * np.uint32(2) + np.uint32(1)


def words_of(hashed, num_features, seed):
    steps = np.arange(1, (num_features + 15) // 16 + 1, dtype="uint32")
    seeds = fmix32(fmix32(seed) + steps * np.uint32(0x9E3779B9))
    return fmix32(np.asarray(hashed, "uint32")[..., None] ^ seeds)


def pairs_of_bits(words, num_features):
    pairs = words[..., None] >> (2 * np.arange(16, dtype="uint32")) & 3
    return pairs.reshape(*words.shape[:-1], -1)[..., :num_features].astype(int)


def gram_hashes(word, ngram_size, skip_size):
    places = range(len(word))
    kinds = [(range(n), fmix32(n)) for n in range(1, ngram_size + 1)]
    kinds += [((0, s + 2), np.uint32(0)) for s in range(skip_size)]
    for offsets, key in kinds:
        for start in places:
            taken = [start + offset for offset in offsets]
            if taken[-1] in places and word[taken].all():
                terms = fmix32(word[taken]) * odd(len(taken))
                yield fmix32(np.append(terms, key).sum(dtype="uint32"))


def twin_of_word(
    word, num_features, seed=0, values="ternary", ngram_size=3, skip_size=0
):
    if not word.any():
        return np.zeros(num_features)
    if values == "ternary":
        token = fmix32((fmix32(word) * odd(len(word))).sum(dtype="uint32"))
        words = words_of(token, num_features, seed)
        return np.array([0, 1, -1, 0])[pairs_of_bits(words, num_features)]
    hashed = list(gram_hashes(word, ngram_size, skip_size))
    words = words_of(hashed, num_features, seed)
    sums = (2 * pairs_of_bits(words, num_features) - 3).sum(axis=0)
    tie_break = fmix32(words.sum(axis=0, dtype="uint32"))
    bits = pairs_of_bits(tie_break, num_features) >> 1
    is_positive = np.where(sums == 0, bits, sums > 0)
    return is_positive if values == "binary" else 2 * is_positive - 1


def twin_of_id(value, num_features, seed=0, values="ternary", **options):
    if values != "ternary" or value == 0:
        word = np.array([value])
        return twin_of_word(word, num_features, seed, values, **options)
    words = words_of(fmix32(value), num_features, seed)
    return np.array([0, 1, -1, 0])[pairs_of_bits(words, num_features)]


def twin(inputs, *args, **options):
    """The features by loops over batch, tokens and n-grams."""
    of_token = twin_of_id if inputs.ndim == 2 else twin_of_word
    tokens = inputs.view("uint32")
    found = [[of_token(t, *args, **options) for t in row] for row in tokens]
    return np.array(found, "float32")


def as_signs(features):
    """A row of features as a string of 0, + and -."""
    return "".join("0+-"[int(value)] for value in features)


GOLDEN = {
    (2, "ternary"): [
        "000+000++0++00-++-",
        "+00+0+0+00+00++0++",
        "-000-000-00---+0++",
    ],
    (2, "binary"): [
        "0+0000+0++++0000++",
        "0++0000000+0++0++0",
        "+0+0+00+++00+0+00+",
    ],
    (2, "sign"): [
        "-+----+-++++----++",
        "-++-------+-++-++-",
        "+-+-+--+++--+-+--+",
    ],
    (3, "ternary"): [
        "0+0-0-0+00-0+0+00-",
        "+00+00-+0-0000+0++",
        "+0+--+0-0+00+00-00",
    ],
    (3, "binary"): [
        "++00+++0+000000+++",
        "+++00++0+0000+0++0",
        "+++0000++++000++00",
    ],
    (3, "sign"): [
        "++--+++-+------+++",
        "+++--++-+----+-++-",
        "+++----++++---++--",
    ],
}


@pytest.mark.parametrize("rank, values", GOLDEN)
def test_values_are_the_same_forever(rank, values):
    ids = np.int32([[1, -1, 2**31 - 1]])
    words = np.int32([[[97, 98, 0], [98, 97, 0], [0x1F600, -5, 7]]])
    inputs = {2: ids, 3: words}[rank]
    features = values_of(inputs, 18, 7, values=values, skip_size=1)
    assert [*map(as_signs, features[0])] == GOLDEN[rank, values]


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize(
    "arguments, options",
    [
        ((50,), {}),
        ((16, 2**32 - 1), {"ngram_size": 1}),
        ((33, 5), {"ngram_size": 2, "skip_size": 3}),
        ((32,), {"ngram_size": 9}),
    ],
)
def test_values_equal_loops_over_the_formulas(rank, values, arguments, options):
    inputs = random_inputs(rank)
    features = values_of(inputs, *arguments, values=values, **options)
    expected = twin(inputs, *arguments, values=values, **options)
    np.testing.assert_array_equal(features, expected)
    assert (
        set(np.unique(features))
        == {
            "ternary": {-1, 0, 1},
            "binary": {0, 1},
            "sign": {-1, 0, 1},
        }[values]
    )


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("rank", [2, 3])
def test_padding_gives_zeros_and_is_masked(rank, values):
    inputs = random_inputs(rank)
    inputs[1] = 0
    layer = ProjectionLayer(64, values=values)
    is_token = inputs != 0 if rank == 2 else (inputs != 0).any(axis=-1)
    features = ops.convert_to_numpy(layer(inputs))
    assert not features[~is_token].any()
    assert features[is_token].any(axis=-1).all()
    mask = ops.convert_to_numpy(layer.compute_mask(inputs))
    np.testing.assert_array_equal(mask, is_token)


def test_padding_is_not_masked_where_that_is_not_wanted():
    layer = ProjectionLayer(4, mask_padding=False)
    assert layer.compute_mask(np.array([[1, 0]])) is None
    assert layer.get_config()["mask_padding"] is False


def test_the_mask_reaches_the_layers_that_follow():
    ids = np.array([[3, 0, 5], [0, 0, 0]])
    layer = ProjectionLayer(8)
    mean = keras.layers.GlobalAveragePooling1D()
    features = ops.convert_to_numpy(layer(ids))[0, [0, 2]]
    inputs = keras.Input((3,), dtype="int32")
    for function in (
        lambda ids: mean(layer(ids)),
        keras.Model(inputs, mean(layer(inputs))),
    ):
        means = ops.convert_to_numpy(function(ids))[0]
        np.testing.assert_allclose(means, features.mean(axis=0), rtol=1e-6)


@pytest.mark.parametrize("values", VALUES)
def test_words_have_the_same_features_in_longer_padding(values):
    words = random_inputs(3)
    options = {"values": values, "skip_size": 2}
    padded = np.pad(words, [(0, 0), (0, 0), (0, 30)])
    np.testing.assert_array_equal(
        values_of(padded, 40, **options), values_of(words, 40, **options)
    )


@pytest.mark.parametrize("values", ["binary", "sign"])
def test_an_id_is_a_word_of_one_character(values):
    ids = random_inputs(2)
    expected = values_of(ids, 40, values=values)
    words = np.pad(ids[..., None], [(0, 0), (0, 0), (0, 4)])
    for inputs in (ids[..., None], words):
        found = values_of(inputs, 40, values=values)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("rank", [2, 3])
def test_a_token_has_the_same_features_anywhere(rank, values):
    inputs = random_inputs(rank)
    expected = values_of(inputs, 40, values=values)
    alone = [
        [values_of(token[None, None], 40, values=values)[0, 0] for token in row]
        for row in inputs
    ]
    np.testing.assert_array_equal(alone, expected)


def test_fewer_features_are_the_first_ones():
    ids = random_inputs(2)
    expected = values_of(ids, 100)
    for num_features in (1, 15, 16, 17):
        features = values_of(ids, num_features)
        np.testing.assert_array_equal(features, expected[..., :num_features])


@pytest.mark.parametrize("values", VALUES)
def test_a_token_of_a_thousand_characters(values):
    generator = np.random.default_rng(0)
    words = generator.integers(97, 123, (1, 2, 1000)).astype("int32")
    words[0, 1] = words[0, 0]
    words[0, 1, -1] += 1
    features = values_of(words, 64, values=values)
    np.testing.assert_array_equal(features, twin(words, 64, values=values))
    assert (features[0, 0] != features[0, 1]).any() == (values == "ternary")


@hypothesis.settings(deadline=None, max_examples=25, derandomize=True)
@hypothesis.given(
    st.lists(st.integers(0, 4), min_size=2, max_size=3).map(tuple),
    st.integers(1, 40),
    st.sampled_from(VALUES),
    st.integers(1, 4),
    st.integers(0, 4),
)
def test_any_shape_is_taken(shape, num_features, values, ngram_size, skip_size):
    options = {
        "values": values,
        "ngram_size": ngram_size,
        "skip_size": skip_size,
    }
    generator = np.random.default_rng(0)
    inputs = generator.integers(-3, 4, shape).astype("int32")
    features = values_of(inputs, num_features, **options)
    assert features.shape == (*shape[:2], num_features)
    expected = twin(inputs, num_features, **options).reshape(features.shape)
    np.testing.assert_array_equal(features, expected)
    layer = ProjectionLayer(num_features, **options)
    symbolic = layer(keras.Input(shape[1:], batch_size=shape[0], dtype="int32"))
    assert symbolic.shape == layer.compute_output_shape(shape) == features.shape


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "uint32"])
def test_other_integers_are_taken_as_int32(dtype):
    if keras.backend.backend() == "jax" and dtype == "int64":
        pytest.skip("JAX has no int64 by default")
    ids = np.array([[1, 0, 200]], dtype)
    expected = values_of(ids.astype("int32"), 32)
    np.testing.assert_array_equal(values_of(ids, 32), expected)


@on_tensorflow
@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize("shape_is_known", [True, False])
@pytest.mark.parametrize("jit_compile", [True, False])
def test_compiled_equals_eager(rank, values, shape_is_known, jit_compile):
    import tensorflow as tf

    inputs = random_inputs(rank)
    layer = ProjectionLayer(50, values=values, skip_size=2)
    shape = inputs.shape if shape_is_known else [None] * rank
    function = tf.function(
        layer,
        jit_compile=jit_compile,
        input_signature=[tf.TensorSpec(shape, tf.int32)],
    )
    np.testing.assert_array_equal(function(inputs), layer(inputs))
    if not shape_is_known and rank == 3:
        np.testing.assert_array_equal(
            function(inputs[:2, :3, :1]), layer(inputs[:2, :3, :1])
        )


EXPORTED = [(2, "ternary"), (2, "sign"), *((3, values) for values in VALUES)]


def model_of_all(dtype=None):
    """A model of words of 6 characters: rank 2 is their first one."""
    inputs = keras.Input((9, 6), dtype="int32")
    outputs = [
        ProjectionLayer(50, values=values, skip_size=1, dtype=dtype)(
            inputs if rank == 3 else inputs[:, :, 0]
        )
        for rank, values in EXPORTED
    ]
    return keras.Model(inputs, keras.layers.Concatenate(dtype=dtype)(outputs))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A file of all modes, and its report."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the converter needs the TensorFlow backend")
    from keras_eff import export

    path = tmp_path_factory.mktemp("projection") / "projection.tflite"
    return path, export.to_tflite(
        model_of_all(), path, samples=random_inputs(3)
    )


def test_the_file_equals_keras(exported):
    from keras_eff import export

    path, report = exported
    words = random_inputs(3)
    execution = export.execute(path, [words])
    expected = model_of_all().predict(words, verbose=0)
    for outputs in (execution.delegate[0], execution.builtin[0]):
        np.testing.assert_array_equal(outputs, expected)
    assert report.max_abs_error == 0


def test_the_file_has_builtin_operations_and_no_table(exported):
    _, report = exported
    assert not [name for name in report.ops if name.startswith("Flex")]
    assert report.size_bytes < 50_000


def test_ternary_features_are_zero_half_of_the_time():
    ids = np.arange(1, 20_001, dtype="int32")[None]
    features = values_of(ids, 64)[0]
    for value, probability in ((-1, 0.25), (0, 0.5), (1, 0.25)):
        shares = (features == value).mean(axis=0)
        error = (probability * (1 - probability) / 20_000) ** 0.5
        assert np.abs(shares - probability).max() < 4.5 * error


def test_half_of_the_simhash_features_of_a_word_are_one():
    words = rows(random_words(500), 8)[None]
    shares = values_of(words, 4096, values="binary").mean(axis=-1)
    assert np.abs(shares - 0.5).max() < 4.5 * 0.5 / 64


@pytest.mark.parametrize("words", [True, False])
def test_simhash_features_are_uncorrelated(words):
    inputs = np.arange(1, 20_001, dtype="int32")[None]
    if words:
        generator = np.random.default_rng(0)
        # Three n-grams.
        inputs = generator.integers(1, 2**31, (1, 20_000, 2)).astype("int32")
    features = values_of(inputs, 80, values="sign")[0]
    correlations = np.corrcoef(features, rowvar=False)[np.triu_indices(80, 1)]
    assert np.abs(correlations).max() < 5 / 20_000**0.5


@pytest.mark.parametrize("step", [1, 2, 16, 2**16 + 1])
def test_ternary_features_are_uncorrelated(step):
    ids = (np.arange(1, 20_001) * step).astype("int32")[None]
    features = values_of(ids, 80)[0]
    correlations = np.corrcoef(features, rowvar=False)[np.triu_indices(80, 1)]
    assert np.abs(correlations).max() < 5 / 20_000**0.5
    rms = np.sqrt(np.mean(correlations**2)) * 20_000**0.5
    assert 0.95 < rms < 1.05


@pytest.mark.parametrize("values", VALUES)
def test_different_seeds_give_unrelated_features(values):
    ids = np.arange(1, 301, dtype="int32")[None]
    first, second = (values_of(ids, 64, s, values=values) for s in (0, 1))
    correlation = np.corrcoef(first.ravel(), second.ravel())[0, 1]
    assert abs(correlation) < 4 / first.size**0.5


def random_words(count):
    generator = np.random.default_rng(0)
    lengths = generator.integers(3, 9, count)
    letters = generator.choice(list(LETTERS), (count, 8))
    pairs = zip(letters, lengths, strict=True)
    return ["".join(row[:length]) for row, length in pairs]


def edited_words(words):
    """Each word with one to three of its letters replaced."""
    generator = np.random.default_rng(1)
    found = []
    for word in words:
        letters = list(word)
        for _ in range(generator.integers(1, 4)):
            place = generator.integers(len(letters))
            letters[place] = generator.choice(list(LETTERS))
        found.append("".join(letters))
    return found


def angle(first, second):
    counts = [
        np.array([sum(gram == g for g in word) for gram in {*first, *second}])
        for word in (first, second)
    ]
    cosine = counts[0] @ counts[1] / np.prod([(c @ c) ** 0.5 for c in counts])
    return np.arccos(min(cosine, 1.0))


def ngrams(word):
    return [
        word[i : i + n] for n in (1, 2, 3) for i in range(len(word) - n + 1)
    ]


@pytest.mark.parametrize("values", ["binary", "sign"])
def test_equal_features_follow_the_angle(values):
    words = random_words(150)
    others = edited_words(words[:100]) + words[:50]
    features = [
        values_of(rows(each, 8)[None], 4096, values=values)[0]
        for each in (words, others)
    ]
    equal = (features[0] == features[1]).mean(axis=1)
    pairs = zip(words, others, strict=True)
    angles = np.array([angle(ngrams(a), ngrams(b)) for a, b in pairs])
    expected = 1 - angles / np.pi
    errors = np.sqrt(expected * (1 - expected) / 4096)
    deviations = equal - expected
    assert np.sqrt(np.mean(deviations**2)) < 1.3 * np.sqrt(np.mean(errors**2))
    assert abs(deviations.mean()) < 0.003
    for low, high in ((0.2, 0.9), (0.9, 1.2), (1.2, 1.6)):
        in_bucket = (angles > low) & (angles < high)
        assert in_bucket.sum() >= 10
        assert abs(deviations[in_bucket].mean()) < 0.006


def test_skip_grams_bring_words_with_letters_replaced_closer():
    words = rows(["abcdefg", "axcyezg"], 7)[None]
    agreements = []
    for skip_size in (0, 1):
        options = {"ngram_size": 2, "skip_size": skip_size}
        (pair,) = values_of(words, 4096, values="binary", **options)
        agreements.append((pair[0] == pair[1]).mean())
    # Cosines of 4 / 13 and of 7 / 18.
    expected = 1 - np.arccos([4 / 13, 7 / 18]) / np.pi
    np.testing.assert_allclose(agreements, expected, atol=0.025)
    assert agreements[0] < agreements[1]


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("rank", [2, 3])
def test_mixed_float16_gives_the_same_in_half_precision(rank, values):
    inputs = random_inputs(rank)
    layer = ProjectionLayer(50, values=values, dtype="mixed_float16")
    features = layer(inputs)
    symbolic = layer(keras.Input(inputs.shape[1:], dtype="int32"))
    assert symbolic.dtype == "float16"
    assert keras.backend.standardize_dtype(features.dtype) == "float16"
    expected = values_of(inputs, 50, values=values)
    np.testing.assert_array_equal(ops.convert_to_numpy(features), expected)


def test_config_makes_the_same_layer():
    layer = ProjectionLayer(
        7, 2**32 - 1, values="sign", ngram_size=2, skip_size=4, name="hashed"
    )
    config = json.loads(json.dumps(layer.get_config()))
    clone = ProjectionLayer.from_config(config)
    assert json.loads(json.dumps(clone.get_config())) == config
    ids = random_inputs(2)
    np.testing.assert_array_equal(clone(ids), layer(ids))
    serialized = keras.saving.serialize_keras_object(layer)
    assert serialized["registered_name"] == "keras_eff>ProjectionLayer"


def test_a_model_trains_on_it_and_is_saved(tmp_path):
    inputs = keras.Input((None, 6), dtype="int32")
    layer = ProjectionLayer(20, values="sign")
    x = keras.layers.GlobalAveragePooling1D()(layer(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    words, y = random_inputs(3), np.ones((4, 1))
    losses = model.fit(words, y, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert not layer.variables
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected = model.predict(words, verbose=0)
    np.testing.assert_array_equal(loaded.predict(words, verbose=0), expected)


@pytest.mark.parametrize(
    "options",
    [
        {"num_features": 0},
        {"num_features": 2.0},
        {"num_features": True},
        {"seed": -1},
        {"seed": 2**32},
        {"seed": None},
        {"values": "float"},
        {"values": ["sign"]},
        {"ngram_size": 0},
        {"skip_size": -1},
        {"skip_size": 0.5},
    ],
)
def test_arguments_out_of_range_are_refused(options):
    ((name, value),) = options.items()
    with pytest.raises(ValueError, match=f"Argument `{name}` must") as error:
        ProjectionLayer(**options)
    assert f"Received: {name}={value!r}" in str(error.value)


@pytest.mark.parametrize("dtype", ["float32", "bool"])
def test_what_is_not_integer_is_refused(dtype):
    message = f"integer tensor.*\n?.*Received: a tensor of dtype {dtype}"
    with pytest.raises(TypeError, match=message):
        ProjectionLayer()(np.ones((2, 3), dtype))
    with pytest.raises(TypeError, match=message):
        ProjectionLayer()(keras.Input((3,), dtype=dtype))


@pytest.mark.parametrize("shape", [(2,), (2, 3, 4, 5)])
def test_other_ranks_are_refused(shape):
    with pytest.raises(ValueError, match=r"Received: a tensor of shape \(2,"):
        ProjectionLayer()(np.ones(shape, "int32"))
    with pytest.raises(ValueError, match=r"Received: a tensor of shape \(2,"):
        ProjectionLayer()(keras.Input(batch_shape=shape, dtype="int32"))
