import contextlib
import os
import pathlib
from collections.abc import Iterator


def check_path(path: str | os.PathLike, name: str = "path") -> pathlib.Path:
    """The path of a file that can be written, checked before the work.

    Args:
        path: What the user gave.
        name: Name of the argument, for errors.

    Raises:
        TypeError: If it is not a path.
        OSError: If its directory does not exist or cannot be written, or it
            is a directory itself.
    """
    if not isinstance(path, (str, os.PathLike)):
        kind = type(path)
        raise TypeError(
            f"Argument `{name}` must be a string or a path. Received: "
            f"{kind.__module__}.{kind.__name__}"
        )
    path = pathlib.Path(path)
    if path.is_dir():
        raise IsADirectoryError(
            f"Argument `{name}` must name a file. "
            f"Received: {name}={str(path)!r}"
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"Argument `{name}` must name a file in a directory that exists. "
            f"Received: {name}={str(path)!r}"
        )
    with _temporary(path).open("wb"):
        _temporary(path).unlink()
    return path


@contextlib.contextmanager
def draft(path: pathlib.Path, data: bytes) -> Iterator[pathlib.Path]:
    """Writes `data` beside `path`, and moves it there at the end of the block.

    If the block raises, `path` stays as it was and nothing is left.
    """
    temporary = _temporary(path)
    try:
        temporary.write_bytes(data)
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _temporary(path):
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")
