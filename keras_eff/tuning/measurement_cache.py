import json
import numbers
import os
import pathlib

from keras_eff.arguments import wrong_type

_FILE = "measurements.jsonl"
# What this process has measured or read: (directory, key) to figures.
_KNOWN: dict[tuple[str | None, str], dict] = {}


class MeasurementCache:
    """Figures by key, in this process and, with a directory, on its disk.

    The file is append-only, a JSON object a line: several processes may use it
    at once, and a line that a killed process left incomplete is ignored. Of
    two lines with one key, the first counts.

    `directory`: path of a directory, made if there is none, or `None`.
    """

    def __init__(self, directory: str | os.PathLike | None):
        self._path = None
        self._home = None
        if directory is None:
            return
        if not isinstance(directory, str | os.PathLike):
            expected = "the path of a directory, or None"
            raise wrong_type("cache", directory, expected)
        home = pathlib.Path(directory).resolve()
        home.mkdir(parents=True, exist_ok=True)
        self._path = home / _FILE
        self._home = str(home)

    def get(self, key: str) -> dict | None:
        """Returns the figures of a key, or `None`."""
        if self._path and (self._home, key) not in _KNOWN:
            self._read()
        found = _KNOWN.get((self._home, key))
        return None if found is None else dict(found)

    def put(self, key: str, figures: dict) -> None:
        """Stores figures, numbers by name."""
        _KNOWN.setdefault((self._home, key), dict(figures))
        if self._path is None:
            return
        # One write; the newline before it ends a line that another process
        # could not complete.
        line = f"\n{json.dumps({'key': key, 'figures': figures})}\n"
        with self._path.open("ab", buffering=0) as file:
            file.write(line.encode())

    def _read(self):
        if not self._path.exists():
            return
        for line in self._path.read_bytes().splitlines():
            record = _parse(line)
            if record is not None:
                key, figures = record
                _KNOWN.setdefault((self._home, key), figures)


def _parse(line):
    """The key and figures of a line, or None if it is not whole."""
    try:
        record = json.loads(line)
        key, figures = record["key"], record["figures"]
        are_numbers = all(isinstance(x, numbers.Real) for x in figures.values())
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return (key, figures) if are_numbers and isinstance(key, str) else None
