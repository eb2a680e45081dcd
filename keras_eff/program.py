"""Runs a command of click as a program: exit codes and messages."""

import contextlib
import os
import sys
from collections.abc import Sequence

import click

from keras_eff.messages import log_to_stderr
from keras_eff.messages import tell_error

CHECK_FAILED = 1
USER_ERROR = 2
# As shells count: 128 and the number of the signal.
_INTERRUPTED = 130
_READER_LEFT = 141
_USER_ERRORS = (ValueError, TypeError, OSError, ImportError)
# These come from bugs: their tracebacks are needed.
_BUGS = (NotImplementedError, RecursionError)


def run_program(
    command: click.Command,
    name: str,
    arguments: Sequence[str] | None = None,
) -> int:
    """Runs a command and returns its exit code.

    What a user can mend is told on standard error.

    `command`: A `click.Command` that returns an exit code, or None for 0.
    `arguments`: strings; by default those of the process.

    Returns: Integer: 0; 1 if something failed; 2 if the arguments are wrong or
    a file is missing or damaged; 130 after an interrupt; 141 if nobody reads
    the output any more.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        with log_to_stderr():
            code = _exit_code(command, name, arguments)
        # None in a process without standard output.
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        _close_stdout()
        return _READER_LEFT
    return code


def _exit_code(command, name, arguments):
    # Not `command.main`, which exits by itself and writes at an interrupt.
    try:
        with command.make_context(
            name, arguments, help_option_names=["-h", "--help"]
        ) as context:
            return command.invoke(context) or 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError as help_text:
        help_text.show()
        return USER_ERROR
    except click.UsageError as error:
        code, reason = USER_ERROR, _with_hint(error)
    except (BrokenPipeError, *_BUGS):
        raise
    except _USER_ERRORS as error:
        code, reason = USER_ERROR, error
    except RuntimeError as error:
        code, reason = CHECK_FAILED, error
    tell_error(reason)
    return code


def _with_hint(error):
    hint = f" See `{error.ctx.command_path} --help`" if error.ctx else ""
    return ValueError(f"{error.format_message()}{hint}")


def _close_stdout():
    """Keeps Python from failing once more when it flushes at its end."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
