"""Text to code points with NumPy alone: a device can copy this one file."""

import abc
import dataclasses
import itertools
import math
import numbers
import re
import unicodedata

import numpy as np

_FORMS = ("NFC", "NFD", "NFKC", "NFKD", None)
# The other planes have none: looking there would take most of the time.
_PLANES_WITH_MARKS = (range(0x20000), range(0xE0000, 0xF0000))
# The two joiners form letters, as marks do: Persian, Hindi, Bengali.
_MARKS = "\u200c\u200d" + "".join(
    chr(point)
    for point in itertools.chain(*_PLANES_WITH_MARKS)
    if unicodedata.category(chr(point))[0] == "M"
)
_IDEOGRAPHS_AND_KANA = (
    r"\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c"
    r"\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
    r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    r"\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)
_WORD = re.compile(
    rf"(?:[^\W{_IDEOGRAPHS_AND_KANA}]+|[{_MARKS}]+)+|\S[{_MARKS}]*"
)
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class _CodePoints(abc.ABC):
    """Code points of text, in an array of one `shape` for each text."""

    def __post_init__(self):
        for name in ("max_words", "max_characters"):
            _check_size(name, getattr(self, name, 1))
        if self.form not in _FORMS:
            raise ValueError(
                f"Argument `form` must be one of {_FORMS}. "
                f"Received: form={self.form!r}"
            )
        if not isinstance(self.lowercase, bool):
            raise ValueError(
                "Argument `lowercase` must be a boolean. "
                f"Received: lowercase={self.lowercase!r}"
            )

    @property
    @abc.abstractmethod
    def shape(self):
        """Tuple of integers, the shape of the code points of one text."""

    @abc.abstractmethod
    def _lay_out(self, text):
        """The characters in the order of the array, NUL where it is padded."""

    def __call__(self, text):
        texts = np.asarray(text, dtype=object)
        size = math.prod(self.shape)
        rows = (self._lay_out(self._clean(x)) for x in texts.flat)
        characters = "".join(row.ljust(size, "\0") for row in rows)
        points = np.frombuffer(characters.encode("utf-32-le"), "<i4")
        return points.astype("int32").reshape(texts.shape + self.shape)

    def _clean(self, text):
        text = self._to_str(text).replace("\0", "")
        if self.form is not None:
            text = unicodedata.normalize(self.form, text)
        return text.lower() if self.lowercase else text

    def _to_str(self, text):
        if isinstance(text, bytes):
            return text.decode("utf-8", errors="replace")
        if isinstance(text, str):
            return _SURROGATE.sub("\ufffd", text)
        kind = type(text)
        raise TypeError(
            f"`{type(self).__name__}` takes a str, bytes, or a list or array "
            "of them. Received: an object of type "
            f"{kind.__module__}.{kind.__qualname__}"
        )


@dataclasses.dataclass(frozen=True)
class Characters(_CodePoints):
    """Turns text into the code points of its characters.

    The first step outside a model that reads characters; one that reads words
    takes `Words`. Alike in training (`keras_eff.text.in_dataset` puts it into
    a `tf.data.Dataset`) and on a device, which needs this file and NumPy.

    Text is normalized, then lower-cased, then cut at `max_characters` or
    padded with 0 at the end. NUL characters are dropped. What is not UTF-8 in
    bytes, and a lone surrogate in a str, becomes U+FFFD. Normalization follows
    the Unicode version of the Python that runs it.

    Args:
        max_characters: Positive integer, characters kept of a text.
        form: Unicode normalization form, "NFC", "NFD", "NFKC" or "NFKD"; None
            to leave the text as it is.
        lowercase: Boolean, whether text is lower-cased.

    Call arguments:
        text: String, bytes in UTF-8, or a list or NumPy array of them.

    Output shape:
        `(max_characters,)` for one text, `(batch, max_characters)` for a list,
        dtype int32; `shape` is that of one text.

    Raises:
        ValueError: If an argument is not as above.
        TypeError: If called on what is not text.

    Example:

    >>> characters = keras_eff.text.Characters(max_characters=4)
    >>> characters(["Hi", "a b c"])
    array([[104, 105,   0,   0],
           [ 97,  32,  98,  32]], dtype=int32)
    """

    max_characters: int = 256
    _: dataclasses.KW_ONLY
    form: str | None = "NFKC"
    lowercase: bool = True

    @property
    def shape(self) -> tuple[int]:
        """Tuple of integers, the shape of the code points of one text."""
        return (self.max_characters,)

    def _lay_out(self, text):
        return text[: self.max_characters]


@dataclasses.dataclass(frozen=True)
class Words(_CodePoints):
    """Splits text into words, and these into code points.

    The first step outside a model that reads words by their characters. Alike
    in training (`keras_eff.text.in_dataset` puts it into a `tf.data.Dataset`)
    and on a device, which needs this file and NumPy.

    Text is normalized, then lower-cased, then split: runs of letters, digits,
    underscores, combining marks and zero-width joiners are words. Ideographs,
    Hiragana and Katakana, which are written without spaces, and all else that
    is not space are words of one character with the marks that follow it.
    Words are cut at `max_characters` and text at `max_words`, or padded with
    0 at the end. NUL characters are dropped. What is not UTF-8 in bytes, and a
    lone surrogate in a str, becomes U+FFFD. Normalization and the kinds of
    characters follow the Unicode version of the Python that runs it.

    Args:
        max_words: Positive integer, words kept of a text.
        max_characters: Positive integer, characters kept of a word.
        form: Unicode normalization form, "NFC", "NFD", "NFKC" or "NFKD"; None
            to leave the text as it is.
        lowercase: Boolean, whether text is lower-cased.

    Call arguments:
        text: String, bytes in UTF-8, or a list or NumPy array of them.

    Output shape:
        `(max_words, max_characters)` for one text,
        `(batch, max_words, max_characters)` for a list, dtype int32; `shape`
        is that of one text.

    Raises:
        ValueError: If an argument is not as above.
        TypeError: If called on what is not text.

    Example:

    >>> words = keras_eff.text.Words(max_words=3, max_characters=4)
    >>> words("Hello, you!")
    array([[104, 101, 108, 108],
           [ 44,   0,   0,   0],
           [121, 111, 117,   0]], dtype=int32)
    """

    max_words: int = 128
    max_characters: int = 16
    _: dataclasses.KW_ONLY
    form: str | None = "NFKC"
    lowercase: bool = True

    @property
    def shape(self) -> tuple[int, int]:
        """Tuple of integers, the shape of the code points of one text."""
        return (self.max_words, self.max_characters)

    def _lay_out(self, text):
        size = self.max_characters
        words = itertools.islice(_WORD.finditer(text), self.max_words)
        return "".join(word[0][:size].ljust(size, "\0") for word in words)


def _check_size(name, size):
    is_integer = isinstance(size, numbers.Integral)
    if not is_integer or isinstance(size, bool) or size < 1:
        raise ValueError(
            f"Argument `{name}` must be a positive integer. "
            f"Received: {name}={size!r}"
        )
