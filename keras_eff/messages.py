"""What the commands tell the user on standard error."""

import contextlib
import logging as standard_logging
import sys
import threading
import warnings
from collections.abc import Iterator

from absl import logging

from keras_eff.printable import printable

_PATIENCE_S = 2.0


def tell(text: str) -> None:
    """Writes a message on standard error, after the name of the program.

    Its first line stands alone; further lines, such as the end of the output
    of a tool that failed, are indented. Empty lines are left out. A process
    without standard error is told nothing.
    """
    if sys.stderr is None:
        return
    text = printable(text, kept="\n\t")
    lines = [line for line in text.splitlines() if line.strip()]
    print("keras-eff:", "\n    ".join(lines), file=sys.stderr, flush=True)


def tell_error(error: Exception) -> None:
    """Tells what is wrong, and logs where that comes from."""
    tell(f"error: {error}")
    logging.debug("that error comes from here:", exc_info=error)


@contextlib.contextmanager
def log_to_stderr() -> Iterator[None]:
    """Shows what the package logs and warns of as messages of the program."""
    logger = logging.get_absl_logger()
    before = (logger.handlers, logger.propagate, logging.get_verbosity())
    logger.handlers, logger.propagate = [_Handler()], False
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _tell_warning
            yield
    finally:
        logger.handlers, logger.propagate, verbosity = before
        logging.set_verbosity(verbosity)


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """Logs nothing but errors, where warnings are part of the result."""
    before = logging.get_verbosity()
    logging.set_verbosity(min(before, logging.ERROR))
    try:
        yield
    finally:
        logging.set_verbosity(before)


@contextlib.contextmanager
def announce(text: str, patience_s: float = _PATIENCE_S) -> Iterator[None]:
    """Says what is being done once it takes longer than `patience_s`."""
    timer = threading.Timer(patience_s, tell, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _tell_warning(message, *unused):
    tell(f"warning: {message}")


class _Handler(standard_logging.Handler):
    """Writes records on what is standard error at that moment."""

    def emit(self, record):
        tell(f"{record.levelname.lower()}: {self.format(record)}")
