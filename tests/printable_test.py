import pytest

from keras_eff.printable import printable


@pytest.mark.parametrize("text", ["", "a b", "é 日本 🙂", "a\\b"])
def test_visible_text_stays(text):
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("one\ntwo\r\t", r"one\ntwo\r\t"),
        ("left\u202eright\u2066", r"left\u202eright\u2066"),
        ("a\u2028b\x9bc", r"a\u2028b\x9bc"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_a_terminal_obeys_is_spelled_out(text, expected):
    assert printable(text) == expected


def test_some_can_be_kept():
    assert printable("one\n\ttwo\x1b", kept="\n\t") == "one\n\ttwo\\x1b"
