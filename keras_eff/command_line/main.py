import contextlib
import os
import sys
from collections.abc import Sequence

from absl import logging

import keras_eff
from keras_eff.command_line import c_array
from keras_eff.command_line import compare
from keras_eff.command_line import convert
from keras_eff.command_line import debug
from keras_eff.command_line import edgetpu
from keras_eff.command_line import inspect
from keras_eff.command_line import lint
from keras_eff.command_line import measure
from keras_eff.command_line import usage
from keras_eff.command_line.command import CHECK_FAILED
from keras_eff.command_line.command import USER_ERROR
from keras_eff.messages import log_to_stderr
from keras_eff.messages import tell_error

_COMMANDS = {
    module.COMMAND.name: module.COMMAND
    for module in (
        *(convert, inspect, measure, compare, lint),
        *(debug, edgetpu, c_array),
    )
}
# As shells count: 128 and the number of the signal.
_INTERRUPTED = 130
_READER_LEFT = 141
_USER_ERRORS = (ValueError, TypeError, OSError, ImportError)
# These come from bugs: their tracebacks are needed.
_BUGS = (NotImplementedError, RecursionError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command of `keras-eff` and returns its exit code.

    Args:
        arguments: Strings, the command, then its flags and files. Defaults to
            those that the process was started with.

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
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        with log_to_stderr():
            code = _exit_code(arguments)
        # None in a process without standard output.
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        _close_stdout()
        return _READER_LEFT
    return code


def _exit_code(arguments):
    """The exit code; what a user can mend is told on standard error."""
    try:
        return _run(arguments)
    except (BrokenPipeError, *_BUGS):
        raise
    except _USER_ERRORS as error:
        code, reason = USER_ERROR, error
    except RuntimeError as error:
        code, reason = CHECK_FAILED, error
    tell_error(reason)
    return code


def _run(arguments):
    if not arguments:
        print(usage.overview(_COMMANDS.values()), file=sys.stderr)
        return USER_ERROR
    name, *rest = arguments
    if name in ("-h", "-help", "--help"):
        print(usage.overview(_COMMANDS.values()))
        return 0
    if name == "--version":
        print(f"keras-eff {keras_eff.__version__}")
        return 0
    if name not in _COMMANDS:
        raise ValueError(usage.unknown_command(name, _COMMANDS))
    return _run_command(_COMMANDS[name], rest)


def _run_command(command, arguments):
    flags, operands = command.parse(arguments)
    if flags.help:
        print(usage.describe(command, flags))
        return 0
    logging.set_verbosity(flags.verbosity)
    command.check_count(operands)
    return command.run(flags, operands)


def _close_stdout():
    """Keeps Python from failing once more when it flushes at its end."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
