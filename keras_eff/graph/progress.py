"""A bar for work that may take long."""

import itertools
import time
from collections.abc import Callable

import keras

_PATIENCE_S = 2.0


def check_verbose(verbose) -> None:
    """Raises unless `verbose` is a value that `progress` knows."""
    if verbose not in ("auto", 0, 1):
        raise ValueError(
            'Argument `verbose` must be "auto", 0 or 1. '
            f"Received: verbose={verbose!r}"
        )


def progress(num_steps: int, verbose) -> Callable[[], None]:
    """A function to call after each step, which draws a bar or does not.

    Args:
        num_steps: Positive integer, how many steps there are.
        verbose: 0, silent; 1, a bar; "auto", a bar once the work takes longer
            than two seconds.
    """
    bar = keras.utils.Progbar(num_steps)
    steps = itertools.count(1)
    start = time.monotonic()

    def advance():
        step = next(steps)
        takes_long = time.monotonic() - start > _PATIENCE_S
        if verbose == 1 or (verbose == "auto" and takes_long):
            bar.update(step)

    return advance
