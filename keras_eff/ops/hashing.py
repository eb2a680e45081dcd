"""Hashes of tokens and characters, and the features that they stand for.

All of it is int32 arithmetic that wraps around, in operations that every
backend, XLA and TFLite's builtin kernels compute alike: there is no AND, no
OR, no left shift and no logical right shift among them.
"""

import numpy as np
from keras import ops

FEATURES_PER_WORD = 16

_MULTIPLIERS = (0x85EBCA6B, 0xC2B2AE35)
_GOLDEN_RATIO = 0x9E3779B9
# Brings the two bits of each feature to the top of the word.
_TO_TOP = np.array([1 << (30 - 2 * i) for i in range(16)], "int32")


def mix_integer(value: int) -> int:
    """`fmix32` of one integer, as an integer in [0, 2**32)."""
    value %= 2**32
    value ^= value >> 16
    value = value * _MULTIPLIERS[0] % 2**32
    value ^= value >> 13
    value = value * _MULTIPLIERS[1] % 2**32
    return value ^ (value >> 16)


def hash_seeds(seed: int, count: int) -> np.ndarray:
    """As many different int32 numbers: the same ones forever."""
    start = mix_integer(seed)
    mixed = [
        mix_integer(start + i * _GOLDEN_RATIO) for i in range(1, count + 1)
    ]
    return np.array(mixed, "uint32").view("int32")


def fmix32(x):
    """The finaliser of MurmurHash3, a bijection of the 32-bit integers.

    Returns: int32 tensor of the same shape.
    """
    x = ops.bitwise_xor(x, _logical_right_shift(x, 16))
    x = x * _signed(_MULTIPLIERS[0])
    x = ops.bitwise_xor(x, _logical_right_shift(x, 13))
    x = x * _signed(_MULTIPLIERS[1])
    return ops.bitwise_xor(x, _logical_right_shift(x, 16))


def hash_words(codes):
    """One hash for each row of code points, whatever padding follows it.

    `fmix32(sum_j fmix32(code_j) * odd_j)`, with `odd_j = 2 * fmix32(j) + 1`.
    As `fmix32(0)` is 0, padding adds nothing.

    Returns: int32 tensor of shape (...).
    """
    positions = ops.arange(ops.shape(codes)[-1], dtype="int32")
    return fmix32(ops.sum(fmix32(codes) * (2 * fmix32(positions) + 1), axis=-1))


def hash_ngrams(codes, ngram_size: int, skip_size: int):
    """Hashes of the n-grams and skip-grams of each row of code points.

    `fmix32(sum_k fmix32(code_k) * odd_k + key)`, with a key for each order
    and one for skip-grams, whatever number of characters they leave out.

    `codes`: int32 tensor of shape (..., characters), padded with 0.
    `skip_size`: integer >= 0, the most characters that a pair leaves out.

    Returns: Two int32 tensors of shape (..., grams): the hashes, and 1 where
    all characters of the gram are there, 0 where one is padding.
    """
    hashed = fmix32(codes)
    present = ops.cast(ops.not_equal(codes, 0), "int32")
    sums, wholes = [], []
    for offsets, key in _grams(ngram_size, skip_size):
        length = codes.shape[-1]
        if length is None or offsets[-1] < max(length, 1):
            sums.append(_weighted_sum(_windows(hashed, offsets)) + key)
            wholes.append(_product(_windows(present, offsets)))
    return fmix32(ops.concatenate(sums, -1)), ops.concatenate(wholes, -1)


def ternary_features(hashes, present, seeds: np.ndarray):
    """Features in {-1, 0, 1} from two bits each: 00: 0, 01: 1, 10: -1, 11: 0.

    `hashes`: int32 tensor of shape (...). `present`: int32 tensor of the same
    shape, 0 where all features are 0, 1 elsewhere.

    Returns: int32 tensor of shape (..., 16 * len(seeds)).
    """
    words = fmix32(ops.bitwise_xor(hashes[..., None], seeds))
    words = words * present[..., None]
    # -2, -1, 0 and 1.
    pairs = ops.right_shift(words[..., None] * _TO_TOP, 30)
    return _flatten(ops.right_shift(pairs + 1, 1))


def simhash_features(hashes, present, seeds: np.ndarray):
    """Signs of the sums of -3, -1, 1 and 3, from two bits of each hash.

    A sum of 0 takes the sign of a hash of the row. Rows without hashes are 0.

    `hashes`: int32 tensor of shape (..., grams). `present`: int32 tensor of the
    same shape, 0 for hashes to leave out, 1 for the others.

    Returns: int32 tensor of shape (..., 16 * len(seeds)).
    """
    words = fmix32(ops.bitwise_xor(hashes[..., None, :], seeds[:, None]))
    words = words * present[..., None, :]
    count = ops.sum(present, axis=-1)[..., None, None]
    if hashes.shape[-1] == 1:
        return _flatten(_first_signs(words[..., 0]) * count)
    sums = _sums_of_shifted(words)
    pairs = sums[..., :-1] - 4 * sums[..., 1:]
    tie_break = _first_signs(fmix32(sums[..., 0])) * ops.minimum(count, 1)
    return _flatten(ops.sign(4 * pairs - 6 * count + tie_break))


def _sums_of_shifted(words):
    """Sums over the last axis, whose differences are the sums of pairs of bits.

    A pair is what a shift by 2 takes away. The sums may wrap around, their
    differences do not; no tensor has the size of grams times features.
    """
    shifts = [*range(0, 31, 2), 31]
    sums = [ops.sum(ops.right_shift(words, shift), axis=-1) for shift in shifts]
    return ops.stack(sums, axis=-1)


def _first_signs(words):
    """For each pair of bits, 1 if the first is set and -1 if not."""
    bits = ops.right_shift(words[..., None] * _TO_TOP, 31)
    return -2 * bits - 1


def _signed(value):
    return (value + 2**31) % 2**32 - 2**31


def _logical_right_shift(x, shift):
    return ops.mod(ops.right_shift(x, shift), 1 << (32 - shift))


def _grams(ngram_size, skip_size):
    """The offsets of the characters of each kind of gram, and its key."""
    for order in range(1, ngram_size + 1):
        yield tuple(range(order)), _signed(mix_integer(order))
    for skipped in range(1, skip_size + 1):
        yield (0, skipped + 1), 0


def _windows(values, offsets):
    """For each offset, the values there from each place where a gram begins."""
    last = offsets[-1]
    return [values[..., o : (o - last) or None] for o in offsets]


def _weighted_sum(windows):
    total = windows[0]
    for k, window in enumerate(windows[1:], 1):
        total = total + window * _signed(2 * mix_integer(k) + 1)
    return total


def _product(windows):
    product = windows[0]
    for window in windows[1:]:
        product = product * window
    return product


def _flatten(features):
    *shape, num_words, per_word = ops.shape(features)
    return ops.reshape(features, (*shape, num_words * per_word))
