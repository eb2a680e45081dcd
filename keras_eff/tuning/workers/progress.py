import pathlib
import time

from absl import logging

from keras_eff.tuning.workers.project import counts


class Progress:
    """Logs how many trials of a project run and have ended, when it changes.

    Called, it looks at the project, if it last did so `interval_s` ago.
    """

    def __init__(self, directory: pathlib.Path, interval_s: float = 5.0):
        self._directory = directory
        self._interval_s = interval_s
        self._seen = counts(directory)
        self._looked_at = time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() < self._looked_at + self._interval_s:
            return
        self._looked_at = time.monotonic()
        try:
            now = counts(self._directory)
        except ValueError:
            # keras-tuner does not write its files at once.
            return
        if sum(now.values()) < sum(self._seen.values()):
            raise RuntimeError(
                "Trials have vanished from the project. A tuner with "
                "`overwrite=True` removes it in every process that starts: "
                "use `overwrite=False`, and remove an old project by hand. "
                f"Received: {str(self._directory)!r}"
            )
        if now != self._seen:
            logging.info("trials: %s", describe(now))
        self._seen = now


def describe(numbers: dict[str, int]) -> str:
    """Returns the number of trials of each status, as text."""
    parts = [f"{n} {status.lower()}" for status, n in sorted(numbers.items())]
    return ", ".join(parts) or "none"
