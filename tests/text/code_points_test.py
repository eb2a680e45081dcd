import json
import os
import pathlib
import pickle
import shutil
import subprocess
import sys
import unicodedata

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from keras_eff import text

SOURCE = pathlib.Path(text.code_points.__file__)
FORMS = ["NFC", "NFD", "NFKC", "NFKD", None]
KINDS = [text.Characters, text.Words]

# Imports the file with all that a device has not blocked.
ON_DEVICE = """
import json
import sys
for name in ("keras_eff", "keras", "tensorflow", "jax"):
    sys.modules[name] = None
import code_points
splits = (code_points.Words(4, 5), code_points.Characters(9))
texts = json.loads(sys.argv[1])
print(json.dumps([split(texts).tolist() for split in splits]))
"""

any_text = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(
            list("aB1_ .,\0\n\u0301\u093f\u200d\ufe0f漢かカー👩Σİß")
        ),
    )
)
settings = hypothesis.settings(
    deadline=None, max_examples=200, derandomize=True
)


def strings(points):
    """The rows of an array of code points as strings."""
    points = np.asarray(points)
    return ["".join(map(chr, row[row > 0])) for row in points]


def split(sentence, **options):
    """The words of a text, without those of padding."""
    words = text.Words(max_words=50, max_characters=50, **options)
    return [word for word in strings(words(sentence)) if word]


def script(character):
    name = unicodedata.name(character, "")
    if name.startswith(("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH")):
        return "ideograph"
    return name.split(" LETTER")[0]


def is_mark(character):
    is_joiner = character in "\u200c\u200d"
    return unicodedata.category(character)[0] == "M" or is_joiner


def is_letter(character):
    stands_alone = ("ideograph", "HIRAGANA", "KATAKANA")
    is_word = character.isalnum() or character == "_"
    return is_word and script(character) not in stands_alone


def words_in_a_loop(cleaned):
    """The rule of the docstring, one character after the other."""
    words, joins = [], ()
    for character in cleaned:
        if character.isspace():
            joins = ()
        elif any(is_kind(character) for is_kind in joins):
            words[-1] += character
        else:
            words.append(character)
            is_run = is_letter(character) or is_mark(character)
            joins = (is_mark, is_letter) if is_run else (is_mark,)
    return words


@settings
@hypothesis.given(
    st.text(
        st.one_of(
            st.characters(max_codepoint=0x2FFF, exclude_categories=("Cs",)),
            st.sampled_from(list("aB1_ .\u0301\u093f\u200d\ufe0f漢かカ👩")),
        ),
        max_size=50,
    )
)
def test_words_equal_a_loop_over_the_rule(sentence):
    cleaned = sentence.replace("\0", "")
    found = split(sentence, form=None, lowercase=False)
    assert found == words_in_a_loop(cleaned)


@pytest.mark.parametrize(
    "sentence, expected",
    [
        ("snake_case 3rd x2", ["snake_case", "3rd", "x2"]),
        ("Stop!! (now)", ["stop", "!", "!", "(", "now", ")"]),
        ("a\u00a0b\tc\nd\u3000e", ["a", "b", "c", "d", "e"]),
        ("Größe", ["größe"]),
        ("नमस्ते हिन्दी", ["नमस्ते", "हिन्दी"]),
        ("বাংলা ক্\u200dষ", ["বাংলা", "ক্\u200dষ"]),
        ("ที่นี่ น้ำ", ["ที่นี่", unicodedata.normalize("NFKC", "น้ำ")]),
        ("مَرحبًا بك", ["مَرحبًا", "بك"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("我爱Python3。", ["我", "爱", "python3", "。"]),
        ("𠀀𠮷", ["𠀀", "𠮷"]),
        ("東京ラーメンです", list("東京ラーメンです")),
        ("한국어 말", ["한국어", "말"]),
    ],
)
def test_words_of_scripts(sentence, expected):
    assert split(sentence) == expected


@pytest.mark.parametrize(
    "sentence, expected",
    [
        ("I❤️you", ["i", "❤️", "you"]),
        ("👩\u200d👧 👍🏽", ["👩\u200d", "👧", "👍", "🏽"]),
        ("1️⃣", ["1️⃣"]),
    ],
)
def test_marks_and_joiners_stay_with_an_emoji(sentence, expected):
    assert split(sentence) == expected


def test_kana_in_two_code_points_are_one_word():
    decomposed = unicodedata.normalize("NFD", "がガ")
    assert split(decomposed, form="NFD") == [decomposed[:2], decomposed[2:]]


@pytest.mark.parametrize("form", FORMS)
def test_text_is_normalized(form):
    sample = "ﬁne\u0301ΩÅ①"
    expected = unicodedata.normalize(form, sample) if form else sample
    points = text.Characters(20, form=form, lowercase=False)([sample])
    assert strings(points) == [expected]


def test_lower_casing_follows_unicode_in_no_language():
    characters = text.Characters(10)
    assert strings(characters(["İI", "ßẞ", "ΟΔΟΣ"])) == [
        "i\u0307i",
        "ßß",
        "οδος",
    ]
    assert strings(text.Characters(2, lowercase=False)(["Aa"])) == ["Aa"]
    assert split("İzmir") == ["i\u0307zmir"]


def test_text_is_padded_with_0_at_the_end():
    assert text.Characters(4)("ab").tolist() == [97, 98, 0, 0]
    assert text.Words(2, 3)("a").tolist() == [[97, 0, 0], [0, 0, 0]]


def test_text_is_cut_at_the_limits():
    assert text.Characters(2)("abc").tolist() == [97, 98]
    assert strings(text.Words(2, 3)("abcd e f")) == ["abc", "e"]


@pytest.mark.parametrize("kind", KINDS)
def test_empty_text_is_padding(kind):
    points = kind()(["", " \n" if kind is text.Words else b"", "\0"])
    assert not points.any()


def test_output_has_a_row_for_each_text():
    words, characters = text.Words(3, 4), text.Characters(5)
    assert (words.shape, characters.shape) == ((3, 4), (5,))
    for split in (words, characters):
        assert split("a").shape == split.shape
        assert split(["a", "b"]).shape == (2, *split.shape)
        assert split([]).shape == (0, *split.shape)
        assert split([["a"], ["b"]]).shape == (2, 1, *split.shape)
        assert split("a").dtype == split([]).dtype == np.int32


@pytest.mark.parametrize("kind", KINDS)
def test_str_bytes_lists_and_arrays_give_the_same(kind):
    texts = ["Ein Fuß", "नमस्ते", ""]
    encoded = [sample.encode() for sample in texts]
    expected = kind()(texts)
    for given in (
        encoded,
        tuple(texts),
        np.array(texts),
        np.array(encoded),
        np.array(texts, dtype=object),
        np.array(encoded, dtype=object),
        [texts[0], encoded[1], np.str_(texts[2])],
    ):
        np.testing.assert_array_equal(kind()(given), expected)
    np.testing.assert_array_equal(kind()(encoded[0]), expected[0])


@settings
@hypothesis.given(st.lists(any_text, max_size=5), any_text)
def test_output_depends_on_the_text_only(others, sample):
    for split in (text.Words(5, 4), text.Characters(7)):
        alone = split(sample)
        np.testing.assert_array_equal(split([*others, sample])[-1], alone)
        np.testing.assert_array_equal(split([sample, *others])[0], alone)


@settings
@hypothesis.given(any_text)
def test_limits_cut_and_change_nothing_else(sample):
    large, small = text.Words(60, 70)(sample), text.Words(3, 2)(sample)
    np.testing.assert_array_equal(small, large[:3, :2])


@settings
@hypothesis.given(st.one_of(any_text, st.binary()))
def test_code_points_are_those_of_unicode_text(sample):
    points = text.Characters(500, form=None)(sample)
    is_text = points > 0
    assert (np.diff(is_text.astype(int)) <= 0).all()
    "".join(map(chr, points[is_text])).encode()


def test_what_is_not_unicode_becomes_the_replacement_character():
    samples = [b"a\xff", "a\ud800", "a\udfff"]
    assert strings(text.Characters(3)(samples)) == ["a\ufffd"] * 3
    assert split("a\ud800b") == ["a", "\ufffd", "b"]


def test_nul_characters_are_dropped():
    assert split("\0a\0b") == ["ab"]
    # Between a letter and its accent, which become one.
    assert strings(text.Characters(3)(["e\0\u0301"])) == ["é"]


def test_a_long_word_is_one_word():
    points = text.Words(2, 3)("नि" * 200_000 + " a")
    assert strings(points) == ["निन", "a"]


@pytest.mark.parametrize("kind", KINDS)
def test_it_shows_keeps_and_pickles_its_arguments(kind):
    split = kind(max_characters=3, form=None, lowercase=False)
    assert (split.max_characters, split.form, split.lowercase) == (
        3,
        None,
        False,
    )
    assert eval(repr(split), vars(text)) == split
    assert pickle.loads(pickle.dumps(split)) == split
    assert split != kind(max_characters=4, form=None, lowercase=False)


def test_the_file_runs_on_a_device_without_the_package(tmp_path):
    shutil.copy(SOURCE, tmp_path)
    samples = ["Ein Fuß ✔️", "नमस्ते दुनिया", ""]
    done = subprocess.run(
        [sys.executable, "-c", ON_DEVICE, json.dumps(samples)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    expected = [text.Words(4, 5), text.Characters(9)]
    assert json.loads(done.stdout) == [s(samples).tolist() for s in expected]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sample", [1, None, ["a", 1.5], [["a"], ["b", "c"]]])
def test_what_is_not_text_is_refused(kind, sample):
    message = f"`{kind.__name__}` takes a str, bytes, .* Received: an object of"
    with pytest.raises(TypeError, match=message):
        kind()(sample)


@pytest.mark.parametrize("size", [0, -1, 1.0, True, "1", None])
def test_limits_are_positive_integers(size):
    message = r"`{}` must be a positive integer. Received: {}="
    name = "max_characters"
    for kind in KINDS:
        with pytest.raises(ValueError, match=message.format(name, name)):
            kind(max_characters=size)
    with pytest.raises(ValueError, match=message.format(*["max_words"] * 2)):
        text.Words(size)


@pytest.mark.parametrize("kind", KINDS)
def test_form_is_one_of_unicode(kind):
    message = "`form` must be one of .* Received: form='nfc'"
    with pytest.raises(ValueError, match=message):
        kind(form="nfc")


@pytest.mark.parametrize("kind", KINDS)
def test_lowercase_is_a_boolean(kind):
    message = "`lowercase` must be a boolean. Received: lowercase='no'"
    with pytest.raises(ValueError, match=message):
        kind(lowercase="no")
