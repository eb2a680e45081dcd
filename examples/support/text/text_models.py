"""The text classifiers by name, and what each of them reads."""

import dataclasses
import functools
from collections.abc import Callable
from collections.abc import Sequence

import keras

import keras_eff

from . import pqrnn
from . import prado
from . import proformer
from . import sgnn
from . import text_baselines


@dataclasses.dataclass(frozen=True)
class TextModel:
    """How to make a text classifier.

    Attributes:
        build: Function of the number of classes and a text front end, to a
            `keras.Model` that reads what the front end gives.
        reads: Name of the front end, see `front_ends`.
        has_int8: Boolean, whether it is made an int8 file too.
    """

    build: Callable[..., keras.Model]
    reads: str
    has_int8: bool


_with_batch = functools.partial(proformer.build, normalization="batch")
_stacked = functools.partial(pqrnn.build, num_layers=2)
MODELS = {
    "prado": TextModel(prado.build, "words", True),
    "pqrnn": TextModel(pqrnn.build, "characters", True),
    "pqrnn_stacked": TextModel(_stacked, "characters", True),
    "proformer": TextModel(proformer.build, "words", True),
    "proformer_batch": TextModel(_with_batch, "words", True),
    "sgnn": TextModel(sgnn.build, "characters", True),
    "pooling": TextModel(text_baselines.build_pooling, "ids", False),
    "lstm": TextModel(text_baselines.build_lstm, "ids", False),
    "transformer": TextModel(text_baselines.build_transformer, "ids", False),
}

# Most lines of `max_words` words have no more characters a word.
_CHARACTERS_PER_WORD = 4


def front_ends(
    train_texts: Sequence[str], max_words: int, max_characters: int
) -> dict[str, Callable]:
    """What turns texts into arrays: "words", "characters" and "ids".

    The "characters" are cut at `4 * max_words`; the "ids" are of the words
    of the training texts.
    """
    words = keras_eff.text.Words(max_words, max_characters)
    return {
        "words": words,
        "characters": keras_eff.text.Characters(
            _CHARACTERS_PER_WORD * max_words
        ),
        "ids": text_baselines.Vocabulary(words, train_texts),
    }
