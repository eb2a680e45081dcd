import json
import os
import pathlib

from keras_eff.tuning.trial_rows import trial_row


def read_trials(directory: str | os.PathLike) -> list[dict]:
    """Reads the trials of a keras-tuner project from its files.

    It needs neither keras-tuner nor the script that searched, and reads what
    one process or a chief and its workers wrote, during the search or after
    it.

    Args:
        directory: Path of the project: the tuner's `directory` and
            `project_name`, joined.

    Returns:
        A list of dictionaries, in the order of the trials' ids: `"trial_id"`,
        `"status"` (`"COMPLETED"`, `"FAILED"`, `"INVALID"` or `"RUNNING"`),
        `"score"` (`None` without one), `"hyperparameters"` (a dictionary),
        then each metric by its name at the trial's best step, as the mean over
        its executions. A metric of one of those four names is left out.

    Raises:
        FileNotFoundError: If there is no such directory.
        ValueError: If a trial's file is damaged, or just being written.

    Example:

    >>> import json, pathlib
    >>> trial = pathlib.Path("trial_0")
    >>> trial.mkdir()
    >>> state = {
    ...     "trial_id": "0",
    ...     "status": "FAILED",
    ...     "score": None,
    ...     "best_step": 0,
    ...     "hyperparameters": {"values": {"width": 8}},
    ...     "metrics": {"metrics": {}},
    ... }
    >>> _ = (trial / "trial.json").write_text(json.dumps(state))
    >>> [row["hyperparameters"] for row in keras_eff.tuning.read_trials(".")]
    [{'width': 8}]
    """
    directory = pathlib.Path(directory)
    if not directory.is_dir():
        raise FileNotFoundError(
            "Argument `directory` must be the directory of a keras-tuner "
            f"project. Received: directory={str(directory)!r}"
        )
    paths = directory.glob("trial_*/trial.json")
    return sorted(map(_read, paths), key=lambda row: row["trial_id"])


def _read(path):
    try:
        return trial_row(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            "The file of a trial is damaged, or just being written. "
            f"Received: {str(path)!r} ({type(error).__name__}: {error})"
        ) from error
