"""Text of strangers, made safe to print."""

import re

_UNUSUAL = re.compile("[^ -~]")


def printable(text: str, kept: str = "") -> str:
    r"""Returns a text in which what is no visible character is spelled out.

    A terminal obeys control characters, among them those that a file or a
    device can hold in its names: `"\x1b"` begins commands, `"\n"` begins a
    line that nobody wrote, and a few characters of Unicode turn the direction
    of writing. Each becomes what stands for it in Python, such as `\x1b`.
    """

    def spelled(match):
        character = match[0]
        if character.isprintable() or character in kept:
            return character
        return character.encode("unicode_escape").decode()

    return _UNUSUAL.sub(spelled, text)
