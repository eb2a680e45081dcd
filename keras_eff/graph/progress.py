"""A bar for work that may take long."""

import itertools
import sys
import time
from collections.abc import Callable

import keras

from keras_eff.arguments import wrong_argument

_PATIENCE_S = 2.0


def check_verbose(verbose) -> None:
    """Raises unless `verbose` is a value that `progress` knows."""
    if verbose not in ("auto", 0, 1):
        raise wrong_argument("verbose", verbose, '"auto", 0 or 1')


def progress(num_steps: int, verbose) -> Callable[[], None]:
    """A function to call after each step, which draws a bar or does not.

    `verbose`: 0, silent; 1, a bar; "auto", a bar on a terminal or in a notebook
    once the work takes longer than two seconds.
    """
    bar = keras.utils.Progbar(num_steps)
    steps = itertools.count(1)
    start = time.monotonic()

    def advance():
        step = next(steps)
        takes_long = time.monotonic() - start > _PATIENCE_S
        is_wanted = verbose == "auto" and takes_long and _is_watched()
        if verbose == 1 or is_wanted:
            bar.update(step)

    return advance


def _is_watched():
    # It is None in a process without standard output, and anything elsewhere.
    is_terminal = hasattr(sys.stdout, "isatty") and sys.stdout.isatty()
    return is_terminal or "ipykernel" in sys.modules
