"""Reading files, with the errors that name them."""

import contextlib
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

from keras_eff.messages import tell_error
from keras_eff.program import CHECK_FAILED
from keras_eff.program import USER_ERROR


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

    Returns: Integer, an exit code: 1 if some of the files could not be read, 2
    if none could.
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
