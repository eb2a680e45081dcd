"""Rows of figures on disk, for runs that go on where they stopped."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any


def settle(folder: pathlib.Path, settings: Mapping) -> None:
    """Makes a folder for the results of runs with these settings.

    Raises:
        ValueError: If it has results of other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "settings.json"
    if not path.exists():
        path.write_text(json.dumps(settings) + "\n")
    known = json.loads(path.read_text())
    if known != settings:
        raise ValueError(
            "The output must go to a new folder, or to one of a run with the "
            f"same settings. Received: {folder} of a run with {known}, and "
            f"{dict(settings)}"
        )


class RowFile:
    """JSON lines, each a dataclass.

    Args:
        path: Path of the file, in a folder that exists.
        row_type: Dataclass of its rows.
    """

    def __init__(self, path: pathlib.Path, row_type: type):
        self._path = path
        self._row_type = row_type

    def rows(self) -> list:
        """All rows, in the order in which they were added."""
        lines = self._whole_lines().splitlines()
        return [self._row_type(**json.loads(line)) for line in lines]

    def has(self, **fields: Any) -> bool:
        """Whether there is a row with these values."""
        return any(
            all(getattr(row, name) == value for name, value in fields.items())
            for row in self.rows()
        )

    def add(self, row) -> None:
        """Adds a row, at once on disk."""
        text = self._whole_lines()
        if self._path.exists() and self._path.stat().st_size > len(text):
            self._path.write_text(text)
        with self._path.open("a") as file:
            file.write(json.dumps(dataclasses.asdict(row)) + "\n")

    def _whole_lines(self):
        """A run that was killed may have left half a line at the end."""
        text = self._path.read_text() if self._path.exists() else ""
        return text[: text.rfind("\n") + 1]
