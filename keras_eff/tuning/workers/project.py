"""The files of a keras-tuner project that a chief and its workers share."""

import collections
import json
import pathlib

from keras_eff.atomic_write import atomic_write
from keras_eff.tuning.read_trials import read_trials

# What keras-tuner calls a tuner that was given no name.
_PLAIN = "tuner0"
_ENDED = ("COMPLETED", "FAILED")


def settle(directory: pathlib.Path) -> None:
    """Makes a project of many processes readable by one, and back.

    keras-tuner 1.4.8 reloads a project only if it finds the file of its own
    process, `chief.json` or `tuner0.json`: the missing one is written. And
    `oracle.json` lists the trial that ended last as ongoing, so that a resumed
    search would run it again: it is taken off. No process may be searching.
    """
    if not (directory / "oracle.json").is_file():
        return
    for name in ("chief", _PLAIN):
        if not (directory / f"{name}.json").exists():
            _write(directory / f"{name}.json", {})
    _forget_ended(directory)


def counts(directory: pathlib.Path) -> dict[str, int]:
    """Returns how many trials have each status."""
    if not directory.is_dir():
        return {}
    rows = read_trials(directory)
    return dict(collections.Counter(row["status"] for row in rows))


def _forget_ended(directory):
    path = directory / "oracle.json"
    state = _load(path)
    status = {x["trial_id"]: x["status"] for x in read_trials(directory)}
    ongoing = {
        worker: trial
        for worker, trial in state["ongoing_trials"].items()
        if status.get(trial) not in _ENDED and trial not in state["retry_queue"]
    }
    if ongoing != state["ongoing_trials"]:
        _write(path, state | {"ongoing_trials": ongoing})


def _load(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"The state of the search is damaged. Received: {str(path)!r} "
            f"({error})"
        ) from error


def _write(path, state):
    with atomic_write(path, json.dumps(state).encode()):
        pass
