import math
import statistics
from collections.abc import Mapping
from typing import Any


def trial_rows(tuner: Any) -> list[dict]:
    """The trials that a tuner or oracle of keras-tuner holds, as rows.

    A row has each metric at the step of the best score, "trial_id", "status",
    "score" and "hyperparameters", a dictionary.
    """
    oracle = getattr(tuner, "oracle", tuner)
    trials = getattr(oracle, "trials", None)
    if not isinstance(trials, Mapping):
        kind = type(tuner)
        raise TypeError(
            "Argument `rows_or_tuner` must be a list of mappings, or a tuner "
            "or oracle of keras-tuner; of many workers, the chief's: set "
            "KERASTUNER_TUNER_ID=chief to read a search back. Received: "
            f"{kind.__module__}.{kind.__qualname__}"
        )
    return [trial_row(trial.get_state()) for trial in trials.values()]


def trial_row(state: Mapping) -> dict:
    """The row of one trial, from its state as keras-tuner saves it.

    Metrics that were never observed are left out.
    """
    best_step = state["best_step"]
    metrics = {
        name: _value(metric["observations"], best_step)
        for name, metric in state["metrics"]["metrics"].items()
        if metric["observations"]
    }
    return metrics | {
        "trial_id": state["trial_id"],
        "status": state["status"],
        "score": state["score"],
        "hyperparameters": state["hyperparameters"]["values"],
    }


def _value(observations, best_step):
    """The mean of a metric at the best step, or where it was last seen."""
    at = {x["step"]: x["value"] for x in observations}
    values = at.get(best_step, at[max(at)])
    return statistics.fmean(values) if values else math.nan
