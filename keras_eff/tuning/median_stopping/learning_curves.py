"""Learning curves that several processes write and all of them read."""

import dataclasses
import json
import math
import os
import pathlib
import uuid

# What names a curve, in each of its lines; "fit" came later, and 0 is none.
_IDENTITY = ("trial", "attempt", "execution", "monitor", "fit")


@dataclasses.dataclass
class Curve:
    """What one training has reported.

    `execution`: integer of 0 or more, the training within the attempt. `fit`:
    integer of 0 or more, the call of `fit` within the execution. `values`:
    dictionary from the epoch, the first being 1, to its value. `stopped`: None,
    or a dictionary that says why the training was stopped.
    """

    trial: str
    attempt: int
    execution: int
    monitor: str
    fit: int = 0
    values: dict[int, float] = dataclasses.field(default_factory=dict)
    stopped: dict | None = None

    @property
    def begin(self) -> int:
        """The first epoch with a value; 1 without any."""
        return min(self.values, default=1)

    @property
    def identity(self) -> dict:
        return {name: getattr(self, name) for name in _IDENTITY}


class LearningCurves:
    """A directory of JSON-lines files, each with one writer, never rewritten.

    A process that is killed loses at most the line that it was writing: a
    last line without its end is ignored. Every writer begins a file of its
    own, also after a restart and in a forked process, so that nothing is
    ever appended to such a line. A trial that is started again hides the
    curves of its earlier attempts.
    """

    def __init__(self, directory, writer="fit"):
        self.directory = pathlib.Path(directory)
        self.writer = writer
        self._files = {}
        self._read_bytes = {}
        self._curves = {}

    def begin(self, trial: str, monitor: str, attempt=None, execution=0, fit=0):
        """A new curve; without an attempt, the next one of its trial."""
        if attempt is None:
            self._read()
            attempt = 1 + self._last_attempts().get((trial, monitor), 0)
        curve = Curve(trial, attempt, execution, monitor, fit)
        self._write(curve.identity)
        return curve

    def add(self, curve: Curve, epoch: int, value: float) -> None:
        """Appends the value of an epoch to a curve."""
        curve.values[epoch] = value
        stored = {"epoch": epoch, "value": _storable(value)}
        self._write({**curve.identity, **stored})

    def stop(self, curve: Curve, reason: dict) -> None:
        """Marks a curve as stopped."""
        curve.stopped = reason
        stored = {name: _storable(value) for name, value in reason.items()}
        self._write({**curve.identity, "stopped": stored})

    def of(self, monitor: str) -> list[Curve]:
        """The curves of the last attempt of each trial, of all writers."""
        self._read()
        last = self._last_attempts()
        return [
            curve
            for curve in self._curves.values()
            if curve.monitor == monitor
            and curve.attempt == last[curve.trial, monitor]
        ]

    def _last_attempts(self):
        last = {}
        for curve in self._curves.values():
            key = (curve.trial, curve.monitor)
            last[key] = max(curve.attempt, last.get(key, 0))
        return last

    def _write(self, record):
        self.directory.mkdir(parents=True, exist_ok=True)
        with self._own_file().open("ab", buffering=0) as file:
            file.write(json.dumps(record, allow_nan=False).encode() + b"\n")

    def _own_file(self):
        name = f"{self.writer}-{uuid.uuid4().hex[:12]}.jsonl"
        return self._files.setdefault(os.getpid(), self.directory / name)

    def _read(self):
        for path in sorted(self.directory.glob("*.jsonl")):
            begin = self._read_bytes.get(path, 0)
            with path.open("rb") as file:
                file.seek(begin)
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            for line in whole.splitlines():
                self._take(line, path)
            self._read_bytes[path] = begin + len(whole)

    def _take(self, line, path):
        try:
            record = json.loads(line)
            record = {"fit": 0, **record}
            identity = tuple(record[name] for name in _IDENTITY)
            curve = self._curves.setdefault(identity, Curve(*identity))
            if "epoch" in record:
                curve.values[record["epoch"]] = float(record["value"])
            if "stopped" in record:
                curve.stopped = _with_numbers(record["stopped"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"Not a line of learning curves, in {str(path)!r}: move the "
                f"file away. Received: {line[:80]!r}"
            ) from error


def _storable(value):
    """JSON has no NaN and no infinity: those are written as strings."""
    return value if math.isfinite(value) else str(value)


def _with_numbers(reason):
    return {
        name: float(value) if isinstance(value, str) else value
        for name, value in reason.items()
    }
