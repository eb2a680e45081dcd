"""Results as JSON lines, appended as they come: those there are not made again.

A row that a killed run left incomplete is an error to look at, not to skip.
"""

import json
import zlib


def read(path):
    """The rows of a file, none if there is no file."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def append(path, row):
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")


def trial_seed(hp):
    """A seed that trials of equal hyperparameters have in common."""
    return zlib.crc32(json.dumps(hp.values, sort_keys=True).encode())
