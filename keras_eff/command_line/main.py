from collections.abc import Sequence

import click
from absl import logging

import keras_eff
from keras_eff.command_line.c_array import c_array
from keras_eff.command_line.compare import compare
from keras_eff.command_line.convert import convert
from keras_eff.command_line.debug import debug
from keras_eff.command_line.edgetpu import edgetpu
from keras_eff.command_line.inspect import inspect
from keras_eff.command_line.lint import lint
from keras_eff.command_line.measure import measure
from keras_eff.program import run_program
from keras_eff.tuning.launch import launch

_COMMANDS = (
    *(convert, inspect, measure, compare, lint),
    *(debug, edgetpu, c_array, launch),
)


class _InOrder(click.Group):
    """A group that lists its commands in the order of their definition."""

    def list_commands(self, ctx):
        return list(self.commands)


@click.group(cls=_InOrder, commands=_COMMANDS)
@click.version_option(keras_eff.__version__, message="%(prog)s %(version)s")
def _keras_eff():
    """Converts Keras models to LiteRT (TFLite) files, checks and measures them.

    `keras-eff COMMAND --help` lists the options of a command.

    \b
    Examples:
      keras-eff convert model.keras model.tflite --quantize=float16
      keras-eff inspect model.tflite
      keras-eff measure a.tflite b.tflite
      keras-eff compare model.keras model.tflite --samples=x.npy
      keras-eff lint model.tflite
      keras-eff debug model.keras model.tflite --samples=x.npy
      keras-eff edgetpu model.keras model_edgetpu.tflite --samples=x.npy
      keras-eff c-array model.tflite model.h
      keras-eff launch --workers=4 search.py
    """


for _command in _COMMANDS:
    _command.params.append(
        click.Option(
            ["-v", "--verbosity"],
            type=int,
            default=logging.WARNING,
            expose_value=False,
            callback=lambda ctx, option, level: logging.set_verbosity(level),
            help="1 logs where an error comes from.",
        )
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command of `keras-eff` and returns its exit code.

    Args:
        arguments: Strings, the command, then its options and files. Defaults
            to those that the process was started with.

    Returns:
        Integer: 0; 1 if a check failed, a file could not be converted or
        measured, or some of several files could not be read; 2 if the
        arguments are wrong or a file is missing or damaged; 130 after an
        interrupt; 141 if nobody reads the output any more.

    Example:

    >>> from keras_eff.command_line import main
    >>> main(["--version"])
    keras-eff ...
    0
    """
    return run_program(_keras_eff, "keras-eff", arguments)
