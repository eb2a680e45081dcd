import keras
import numpy as np
import pytest
from keras import ops

from keras_eff.ops import hashing

EXTREMES = [0, 1, -1, 97, 0x10FFFF, 2**31 - 1, -(2**31)]


def integers(shape, low=-(2**31), high=2**31):
    generator = np.random.default_rng(0)
    return generator.integers(low, high, shape).astype("int32")


def murmur3_finaliser(x):
    """As in the C++ source of MurmurHash3, on uint32 arrays."""
    x = np.asarray(x).astype("int32").view("uint32")
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x85EBCA6B)
    x = x ^ (x >> np.uint32(13))
    x = x * np.uint32(0xC2B2AE35)
    x = x ^ (x >> np.uint32(16))
    return x.view("int32")


def of(function, *args):
    return ops.convert_to_numpy(function(*map(ops.convert_to_tensor, args)))


def test_fmix32_is_the_finaliser_of_murmur3():
    x = np.concatenate([np.int32(EXTREMES), integers(1000)])
    hashed = of(hashing.fmix32, x)
    np.testing.assert_array_equal(hashed, murmur3_finaliser(x))
    assert hashed.dtype == "int32"
    assert hashed[:3].tolist() == [0, 1364076727, -2114883783]


def test_mix_integer_is_fmix32_of_an_integer():
    mixed = [hashing.mix_integer(value) for value in EXTREMES]
    expected = murmur3_finaliser(EXTREMES).view("uint32")
    assert mixed == expected.tolist()
    assert hashing.mix_integer(2**32 + 1) == hashing.mix_integer(1)


def test_each_input_bit_flips_each_output_bit_half_the_time():
    x = integers(4000)
    bits = np.uint32(1) << np.arange(32, dtype="uint32")
    changed = (x.view("uint32")[:, None] ^ bits).view("int32")
    flips = of(hashing.fmix32, x)[:, None] ^ of(hashing.fmix32, changed)
    shares = (flips.view("uint32")[..., None] & bits != 0).mean(axis=0)
    # Five standard deviations.
    assert np.abs(shares - 0.5).max() < 5 * 0.5 / 4000**0.5


def test_seeds_are_the_same_forever():
    assert hashing.hash_seeds(0, 3).tolist() == [
        -1832243442,
        1020716019,
        454327756,
    ]


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_seeds_differ_and_their_bits_are_balanced(seed):
    seeds = hashing.hash_seeds(seed, 4096)
    assert seeds.dtype == "int32"
    assert len(np.unique(seeds)) == 4096
    longer = hashing.hash_seeds(seed, 5000)
    np.testing.assert_array_equal(seeds, longer[:4096])
    bits = seeds[:, None] >> np.arange(32) & 1
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 5 * 0.5 / 64


def test_words_are_hashed_as_a_loop_does():
    codes = integers((5, 7))
    expected = []
    for row in codes:
        total = 0
        for position, code in enumerate(row):
            odd = 2 * int(murmur3_finaliser([position])[0]) + 1
            total += int(murmur3_finaliser([code])[0]) * odd
        total = (total + 2**31) % 2**32 - 2**31
        expected.append(murmur3_finaliser([total])[0])
    np.testing.assert_array_equal(of(hashing.hash_words, codes), expected)


def test_words_that_differ_in_anything_hash_differently():
    words = ["a", "b", "ab", "ba", "aab", "aba", "baa", "aa", "a" * 1000]
    codes = np.zeros((len(words), 1000), "int32")
    for row, word in zip(codes, words, strict=True):
        row[: len(word)] = list(map(ord, word))
    assert len(set(of(hashing.hash_words, codes).tolist())) == len(words)


def test_words_do_not_hash_differently_in_longer_padding():
    codes = integers((3, 5))
    padded = np.pad(codes, [(0, 0), (0, 20)])
    expected = of(hashing.hash_words, codes)
    np.testing.assert_array_equal(of(hashing.hash_words, padded), expected)


def grams(word, ngram_size, skip_size, length):
    """Each gram of a word, padded to a length, in its order: None if cut."""
    word = word + "\0" * (length - len(word))
    found = []
    for n in range(1, ngram_size + 1):
        for i in range(length - n + 1):
            found.append((n, word[i : i + n]))
    for skipped in range(1, skip_size + 1):
        for i in range(length - skipped - 1):
            found.append(("skip", word[i] + word[i + skipped + 1]))
    return [None if "\0" in letters else (n, letters) for n, letters in found]


@pytest.mark.parametrize("ngram_size, skip_size", [(1, 0), (3, 0), (2, 3)])
@pytest.mark.parametrize("length", [1, 2, 3, 9])
def test_grams_hash_alike_where_they_are_alike_only(
    ngram_size, skip_size, length
):
    words = [word[:length] for word in ("banana", "nab", "aaaaaaaaa", "")]
    codes = np.zeros((4, length), "int32")
    for row, word in zip(codes, words, strict=True):
        row[: len(word)] = list(map(ord, word))
    hashes, present = hashing.hash_ngrams(
        ops.convert_to_tensor(codes), ngram_size, skip_size
    )
    hashes, present = map(ops.convert_to_numpy, (hashes, present))
    hash_of = {}
    for row, word in enumerate(words):
        expected = grams(word, ngram_size, skip_size, length)
        assert present[row].tolist() == [
            int(gram is not None) for gram in expected
        ]
        for gram, value in zip(expected, hashes[row].tolist(), strict=True):
            if gram is not None:
                assert hash_of.setdefault(gram, value) == value
    assert len(set(hash_of.values())) == len(hash_of)


def test_ternary_features_are_pairs_of_bits_of_the_words():
    hashes, seeds = integers(50), hashing.hash_seeds(3, 2)
    features = of(
        lambda h: hashing.ternary_features(h, ops.ones_like(h), seeds),
        hashes,
    )
    words = murmur3_finaliser(hashes[:, None] ^ seeds)
    value = {0b00: 0, 0b01: 1, 0b10: -1, 0b11: 0}
    for row, pair in zip(features, words.tolist(), strict=True):
        expected = [value[w >> 2 * i & 3] for w in pair for i in range(16)]
        assert row.tolist() == expected


def weights_of(hashes, seeds):
    """The weight of each gram for each feature, by bits of the words."""
    words = murmur3_finaliser(hashes[..., None] ^ seeds)
    pairs = words[..., None] >> 2 * np.arange(16) & 3
    return (2 * pairs - 3).reshape(*hashes.shape, -1)


# Sums over 4000 hashes wrap around in 32 bits.
@pytest.mark.parametrize("count", [1, 2, 3, 40, 4000])
def test_simhash_features_are_signs_of_sums_of_weights(count):
    hashes, seeds = integers((10, count)), hashing.hash_seeds(3, 2)
    present = integers((10, count), 0, 2)
    present[0] = 0
    present[1:, 0] = 1
    features = of(
        lambda h, p: hashing.simhash_features(h, p, seeds),
        hashes,
        present,
    )
    sums = (weights_of(hashes, seeds) * present[..., None]).sum(axis=1)
    tied = sums == 0
    assert (np.sign(sums) == features)[~tied].all()
    assert (features[0] == 0).all()
    assert (np.abs(features[1:]) == 1).all()


def test_simhash_ties_go_either_way_alike():
    hashes, seeds = integers((2000, 2)), hashing.hash_seeds(0, 4)
    features = of(
        lambda h: hashing.simhash_features(h, ops.ones_like(h), seeds),
        hashes,
    )
    tied = weights_of(hashes, seeds).sum(axis=1) == 0
    # A quarter of the pairs of weights cancel out.
    assert abs(tied.mean() - 0.25) < 0.01
    means = (features * tied).sum(axis=0) / tied.sum(axis=0)
    assert np.abs(means).max() < 5 / 500**0.5


def test_features_are_int32():
    seeds = hashing.hash_seeds(0, 1)
    hashes, present = np.arange(8, dtype="int32"), np.ones(8, "int32")
    for features in (
        hashing.ternary_features(hashes, present, seeds),
        hashing.simhash_features(hashes[:, None], present[:, None], seeds),
    ):
        assert keras.backend.standardize_dtype(features.dtype) == "int32"
