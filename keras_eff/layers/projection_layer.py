import keras
from keras import ops

from keras_eff.arguments import read_boolean
from keras_eff.arguments import read_choice
from keras_eff.arguments import read_integer
from keras_eff.layers.arguments import config_of
from keras_eff.ops import hashing

_VALUES = ("ternary", "binary", "sign")


@keras.saving.register_keras_serializable(package="keras_eff")
class ProjectionLayer(keras.layers.Layer):
    """Turns tokens into features by hashing, in place of an embedding table.

    It has no weights, takes no vocabulary, and does the same in training and
    inference. The features of a seed are the same on every machine, under
    every backend and in the exported file, forever. A token is an id or a
    word, a row of code points; 0 is padding. All features of a token that is
    only padding are 0, and it is masked for the layers that follow, unless
    `mask_padding` is False.

    `values="ternary"` gives {-1, 0, 1}, with probabilities 1/4, 1/2, 1/4: two
    bits for each feature of a hash of the whole token, {00: 0, 01: 1, 10: -1,
    11: 0}. Tokens that differ in anything have unrelated features.

    `values="binary"`, {0, 1}, and `"sign"`, {-1, 1}, are SimHash: the sign of
    the sum, over all n-grams and skip-grams of a word, of a weight that is
    hashed from the n-gram. Words that share n-grams share features: where
    their vectors of n-gram counts are at an angle `theta`,

    `P(feature is equal) = 1 - theta / pi`

    The weights have two bits, -3, -1, 1 and 3: 16 features from each hash word.
    The law is that of Gaussian weights; these deviate from it by .002 at most
    on average on words, and .004 on random counts, where 512 features have a
    sampling error of .02. From pair to pair, weights of one bit deviate three
    times as much, of four bits two thirds as much. A sum of 0 takes the sign
    of a hash of the word.
    `T` hashes of `d` bits in the literature are `num_features = T * d`: all
    features are independent, and their order means nothing. An id is a word
    of one character. A whole text as one word, (batch, 1, characters), gives
    the projection of SGNN.

    Args:
        num_features: Integer >= 1, features of each token. A hash is computed
            for each 16.
        seed: Integer in [0, 2**32), which features these are.
        values: "ternary", "binary" or "sign".
        ngram_size: Integer >= 1, highest order of the n-grams of a word, in
            characters; all orders from 1 on are taken. Not for "ternary".
        skip_size: Integer >= 0, also takes pairs of characters with 1 to
            `skip_size` characters left out between them. Not for "ternary".
        mask_padding: Boolean, whether layers that follow get a Keras mask.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Integer tensor, taken as int32. Any value is valid; a 0
            between code points belongs to no n-gram.

    Input shape:
        (batch, length) ids, or (batch, length, characters) words.

    Output shape:
        (batch, length, num_features), in the layer's compute dtype.

    Raises:
        ValueError: If an argument is out of range, or the input has another
            number of axes.
        TypeError: If called on a tensor that is not integer.

    Example:

    >>> layer = keras_eff.layers.ProjectionLayer(num_features=8)
    >>> keras.ops.convert_to_numpy(layer(np.array([[17, 0]])))
    array([[[ 0.,  0.,  0., -1.,  0.,  0., -1.,  1.],
            [ 0.,  0.,  0.,  0.,  0.,  0.,  0.,  0.]]], dtype=float32)

    Reference:
        - [Kaliamoorthi et al., 2019](https://aclanthology.org/D19-1506),
          section 3.1; with MurmurHash3's 32-bit finaliser as the hash.
        - [Charikar, 2002](https://doi.org/10.1145/509907.509965), section 3;
          with weights of two bits in place of Gaussian ones.
        - [Ravi and Kozareva, 2018](https://aclanthology.org/D18-1105),
          section 3.2; without words as features.
    """

    def __init__(
        self,
        num_features=512,
        seed=0,
        *,
        values="ternary",
        ngram_size=3,
        skip_size=0,
        mask_padding=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_features = read_integer("num_features", num_features, 1)
        self.seed = read_integer("seed", seed, 0, 2**32 - 1)
        self.values = read_choice("values", values, _VALUES)
        self.ngram_size = read_integer("ngram_size", ngram_size, 1)
        self.skip_size = read_integer("skip_size", skip_size, 0)
        self.mask_padding = read_boolean("mask_padding", mask_padding)
        self.supports_masking = True
        num_words = -(-self.num_features // hashing.FEATURES_PER_WORD)
        self._seeds = hashing.hash_seeds(self.seed, num_words)

    def call(self, inputs):
        _check_inputs(inputs)
        codes = ops.cast(inputs, "int32")
        project = self._ternary if self.values == "ternary" else self._simhash
        features = project(codes)
        if self.num_features % hashing.FEATURES_PER_WORD:
            features = features[..., : self.num_features]
        # As int8 first: a file of integers then holds no float of them.
        return ops.cast(ops.cast(features, "int8"), self.compute_dtype)

    def _ternary(self, codes):
        is_words = len(codes.shape) == 3
        hashes = (hashing.hash_words if is_words else hashing.fmix32)(codes)
        present = ops.cast(_is_token(codes), "int32")
        return hashing.ternary_features(hashes, present, self._seeds)

    def _simhash(self, codes):
        codes = codes if len(codes.shape) == 3 else codes[..., None]
        grams = hashing.hash_ngrams(codes, self.ngram_size, self.skip_size)
        signs = hashing.simhash_features(*grams, self._seeds)
        return ops.maximum(signs, 0) if self.values == "binary" else signs

    def compute_mask(self, inputs, mask=None):
        return _is_token(inputs) if self.mask_padding else None

    def compute_output_shape(self, input_shape):
        return (*input_shape[:2], self.num_features)

    def compute_output_spec(self, inputs):
        _check_inputs(inputs)
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self):
        names = "num_features seed values ngram_size skip_size mask_padding"
        return {**super().get_config(), **config_of(self, names)}


def _is_token(codes):
    is_code = ops.not_equal(codes, 0)
    return is_code if len(codes.shape) == 2 else ops.any(is_code, axis=-1)


def _check_inputs(inputs):
    dtype = keras.backend.standardize_dtype(inputs.dtype)
    if "int" not in dtype:
        raise TypeError(
            "`ProjectionLayer` takes an integer tensor of ids or code points. "
            f"Received: a tensor of dtype {dtype}"
        )
    if len(inputs.shape) not in (2, 3):
        raise ValueError(
            "`ProjectionLayer` takes (batch, length) ids or (batch, length, "
            f"characters) words. Received: a tensor of shape {inputs.shape}"
        )
