import keras
from keras import ops

from keras_eff.arguments import read_number
from keras_eff.layers.arguments import read_seed

_DELETION, _SWAP, _INSERTION = range(3)


@keras.saving.register_keras_serializable(package="keras_eff")
class TokenDistortion(keras.layers.Layer):
    """Misspells tokens in training, each by one edit of its characters.

    Place it first in a model that reads words by their characters, so that it
    learns to read what it has not seen. In training, each token is distorted
    with probability `rate`, by one of three edits, each as likely, at a
    random position:

    - a character is deleted,
    - two neighbours are swapped,
    - before a character, a copy of one of the token is inserted; in a token
      that fills its row, the last one drops off.

    A token of one character is not deleted, and has no neighbours to swap:
    these edits leave it. Rows of padding stay. At inference the layer is the
    identity.

    Args:
        rate: Float in [0, 1], share of the tokens that are distorted.
        seed: Optional integer, for the same distortions in each run.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Integer tensor of code points, 0 at the end of a row is padding.
        training: Boolean, whether tokens are distorted.

    Input shape:
        `(..., characters)`, each row is a token, as of `keras_eff.text.Words`.

    Output shape:
        Same as the input shape, and of its dtype.

    Raises:
        ValueError: If `rate` is not a float in [0, 1].
        TypeError: If called on a tensor that is not of integers.

    Example:

    >>> layer = keras_eff.layers.TokenDistortion(rate=1.0)
    >>> words = keras_eff.text.Words(max_words=2, max_characters=8)("two words")
    >>> misspelt = keras.ops.convert_to_numpy(layer(words, training=True))
    >>> (misspelt != words).any(axis=-1)
    array([ True,  True])

    Reference:
        - [Kaliamoorthi et al., 2019](https://aclanthology.org/D19-1506), PRADO.
          Unlike its code, a token is never emptied, a swap is one of
          neighbours rather than a move, and the character to insert is one of
          the token rather than one deleted from another.
    """

    def __init__(self, rate=0.1, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.rate = read_number("rate", rate, "[0, 1]")
        self.seed = read_seed(seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        self.supports_masking = True

    def call(self, inputs, training=False):
        _check_integers(inputs)
        if not training or not self.rate:
            return inputs
        end = ops.zeros_like(inputs[..., :1])
        padded = ops.concatenate([inputs, end], axis=-1)
        return ops.take_along_axis(padded, self._origins(inputs), axis=-1)

    def _origins(self, tokens):
        """For each character of the output, the index of its origin."""
        length = ops.count_nonzero(tokens, axis=-1)[..., None]
        chance, kind, place, source = ops.unstack(
            keras.random.uniform(
                (4, *ops.shape(length)),
                dtype="float32",
                seed=self.seed_generator,
            ),
            4,
        )
        kind = _choose(kind, 3)
        kept = ops.arange(ops.shape(tokens)[-1], dtype="int32")
        edited = ops.where(
            kind == _DELETION,
            _deleted(kept, _choose(place, length)),
            ops.where(
                kind == _SWAP,
                _swapped(kept, _choose(place, length - 1)),
                _inserted(
                    kept, _choose(place, length), _choose(source, length)
                ),
            ),
        )
        is_possible = ops.logical_or(kind == _INSERTION, length > 1)
        is_edited = ops.logical_and(chance < self.rate, is_possible)
        return ops.where(is_edited, edited, kept)

    def compute_output_shape(self, input_shape):
        return input_shape

    def compute_output_spec(self, inputs, training=False):
        _check_integers(inputs)
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


def _choose(draw, count):
    """One of `count` integers from 0, of a draw in [0, 1)."""
    return ops.cast(draw * ops.cast(count, "float32"), "int32")


def _deleted(indices, position):
    return indices + ops.cast(indices >= position, "int32")


def _swapped(indices, first):
    forward = ops.cast(indices == first, "int32")
    return indices + forward - ops.cast(indices == first + 1, "int32")


def _inserted(indices, position, source):
    moved = indices - ops.cast(indices > position, "int32")
    return ops.where(indices == position, source, moved)


def _check_integers(inputs):
    dtype = keras.backend.standardize_dtype(inputs.dtype)
    if "int" not in dtype:
        raise TypeError(
            "`TokenDistortion` takes an integer tensor, the code points of "
            f"characters. Received: a tensor of dtype {dtype}"
        )
