"""The help texts."""

import textwrap
from collections.abc import Iterable
from collections.abc import Mapping

from absl import flags as absl_flags

from keras_eff.command_line.command import Command
from keras_eff.messages import did_you_mean

_WIDTH = 80
_INDENT = " " * 6
_HIDDEN = ("verbosity", "help")
_ABOUT = (
    "Converts Keras models to LiteRT (TFLite) files, checks and measures them."
)
_NUMBERS = {"int": "=N", "float": "=X"}


def overview(commands: Iterable[Command]) -> str:
    """Returns the help text of the whole program."""
    commands = list(commands)
    width = max(len(command.name) for command in commands)
    return "\n".join(
        [
            _ABOUT,
            "",
            "usage: keras-eff COMMAND [flags] FILES",
            "",
            *(f"  {c.name:<{width}}  {c.summary}" for c in commands),
            "",
            "examples:",
            *(f"  {command.examples[0]}" for command in commands),
            "",
            "`keras-eff COMMAND --help` lists the flags of a command.",
        ]
    )


def describe(command: Command, flags: absl_flags.FlagValues) -> str:
    """Returns the help text of one command."""
    return "\n".join(
        [
            command.summary,
            "",
            f"usage: {command.synopsis}",
            "",
            *textwrap.wrap(command.details, _WIDTH),
            "",
            "flags:",
            *(line for flag in _shown(flags) for line in _flag_lines(flag)),
            "",
            "examples:",
            *(f"  {example}" for example in command.examples),
        ]
    )


def unknown_command(name: str, commands: Mapping[str, Command]) -> str:
    """Returns the message for a command that does not exist."""
    return (
        f"there is no command {name!r}.{did_you_mean(name, commands)} "
        f"Commands: {', '.join(commands)}. See `keras-eff --help`"
    )


def _shown(flags):
    # Each short name leads to the flag of the long one.
    return [
        flags[name]
        for name in flags
        if name == flags[name].name and name not in _HIDDEN
    ]


def _flag_lines(flag):
    # Before the text of a choice, absl puts what stands behind its name here.
    text = flag.help.removeprefix(f"<{_value_of(flag)[1:]}>: ")
    if flag.default not in (None, False):
        text = f"{text} Default: {flag.default}."
    return [
        f"  --{flag.name}{_value_of(flag)}",
        *textwrap.wrap(
            text, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT
        ),
    ]


def _value_of(flag):
    if flag.boolean:
        return ""
    if isinstance(flag, absl_flags.EnumFlag):
        return f"={'|'.join(flag.parser.enum_values)}"
    if isinstance(flag.parser, absl_flags.ListParser):
        return f"={flag.name.upper()},..."
    return _NUMBERS.get(flag.flag_type(), f"={flag.name.upper()}")
