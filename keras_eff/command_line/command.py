import contextlib
import dataclasses
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

from absl import flags as absl_flags

from keras_eff.messages import did_you_mean
from keras_eff.messages import tell_error

CHECK_FAILED = 1
USER_ERROR = 2
_WARNING = -1


@dataclasses.dataclass(frozen=True)
class Command:
    """A command of `keras-eff`.

    Flags of one command are unknown to the others, and may stand before,
    between or after the files.

    Args:
        name: What the user types.
        operands: The files that it takes, as the usage calls them; a last one
            that ends in "..." stands for one or more.
        summary: What it does, in one line.
        details: Lines about what it prints and how it ends.
        examples: Whole command lines.
        define_flags: Function that defines its flags in a `FlagValues`.
        run: Function of the `FlagValues` and the list of the files that does
            the work, prints the result and returns the exit code.
    """

    name: str
    operands: tuple[str, ...]
    summary: str
    details: str
    examples: tuple[str, ...]
    define_flags: Callable[[absl_flags.FlagValues], None]
    run: Callable[[absl_flags.FlagValues, list[str]], int]

    @property
    def synopsis(self) -> str:
        """How to call it, in one line."""
        return " ".join(["keras-eff", self.name, "[flags]", *self.operands])

    def parse(
        self, arguments: Sequence[str]
    ) -> tuple[absl_flags.FlagValues, list[str]]:
        """Returns the flags and the files among the arguments.

        Raises:
            ValueError: If a flag is unknown or its value is wrong.
        """
        flags = self._flags()
        try:
            _, *operands = flags(["keras-eff", *arguments])
        except absl_flags.UnrecognizedFlagError as error:
            text = f"there is no flag --{error.flagname}."
            text += did_you_mean(error.flagname, flags, "--")
            raise ValueError(self._with_hint(text)) from error
        except absl_flags.Error as error:
            raise ValueError(self._with_hint(str(error))) from error
        return flags, operands

    def check_count(self, operands: Sequence[str]) -> None:
        """Raises ValueError unless it takes so many files."""
        count = len(self.operands)
        is_open = self.operands[-1].endswith("...")
        if len(operands) < count or (len(operands) > count and not is_open):
            received = " ".join(operands) or "none"
            text = f"it takes {' '.join(self.operands)}. Received: {received}"
            raise ValueError(self._with_hint(text))

    def _flags(self):
        flags = absl_flags.FlagValues()
        flags.set_gnu_getopt(True)
        self.define_flags(flags)
        absl_flags.DEFINE_boolean(
            "help",
            False,
            "Print this text.",
            short_name="h",
            flag_values=flags,
        )
        absl_flags.DEFINE_integer(
            "verbosity",
            _WARNING,
            "1 logs where an error comes from.",
            short_name="v",
            flag_values=flags,
        )
        return flags

    def _with_hint(self, text):
        text = text if text.endswith((".", "?")) else f"{text}."
        return f"{self.name}: {text} See `keras-eff {self.name} --help`"


@contextlib.contextmanager
def reading(path: str) -> Iterator[None]:
    """Names the file in a ValueError that says what is wrong with it."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def show_readable(
    paths: Sequence[str],
    read: Callable[[str], Any],
    show: Callable[[dict], str],
) -> int:
    """Prints what files hold, then tells which could not be read, and why.

    Args:
        paths: The files.
        read: Function of a path, which raises ValueError or OSError.
        show: Function from {path: what `read` returned} to the text.

    Returns:
        Integer, an exit code: 1 if some of the files could not be read, 2 if
        none could.
    """
    found, errors = {}, []
    for path in paths:
        try:
            with reading(path):
                found[path] = read(path)
        except (ValueError, OSError) as error:
            errors.append(error)
    if found:
        # At once, so that it stands before the errors in a log of both.
        print(show(found), flush=True)
    for error in errors:
        tell_error(error)
    if not errors:
        return 0
    return CHECK_FAILED if found else USER_ERROR


def given(flags: absl_flags.FlagValues, names: Sequence[str]) -> dict:
    """Returns {name: value} of those flags that the user has given."""
    return {
        name: flags[name].value for name in names if flags[name].present > 0
    }
