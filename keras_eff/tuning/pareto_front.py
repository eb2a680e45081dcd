import dataclasses
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_eff.tuning import objectives
from keras_eff.tuning.hypervolume import hypervolume
from keras_eff.tuning.row_table import row_table


@dataclasses.dataclass(frozen=True)
class ParetoFront:
    """The rows that no other row beats; print it for a table.

    Attributes:
        rows: Tuple of mappings, the front, the best of the first objective
            first.
        dominated: Tuple of mappings, the other rows, in the same order.
        num_left_out: Integer, rows that could not be compared: those with a
            "status" other than "COMPLETED", as failed trials have, and those
            with a figure that is missing, `None`, NaN or infinite.
        maximize: Tuple of strings, figures that are better when larger.
        minimize: Tuple of strings, figures that are better when smaller.
    """

    rows: tuple[Mapping, ...]
    dominated: tuple[Mapping, ...]
    num_left_out: int
    maximize: tuple[str, ...]
    minimize: tuple[str, ...]

    def hypervolume(self, reference: Mapping[str, float]) -> float:
        """Returns the volume that the front dominates, exactly.

        The larger, the better the front as a whole: compare two searches with
        one reference. Its unit is the product of the figures' units.

        Args:
            reference: Mapping, figure to a finite number that is just worse
                than useful, for each objective, such as `{"accuracy": 0.1,
                "latency_ms": 10.0}`. Rows that are not better in all of them
                add nothing.

        Raises:
            ValueError: If the keys are not the objectives, or a value is not
                a finite number.
        """
        names = (*self.maximize, *self.minimize)
        if set(reference) != set(names) or not all(
            map(objectives.is_finite, reference.values())
        ):
            raise ValueError(
                f"Argument `reference` must hold a finite number for each of "
                f"{names}. Received: reference={dict(reference)}"
            )
        costs = _costs(self.rows, self.maximize, self.minimize)
        point = _costs([reference], self.maximize, self.minimize)[0]
        return hypervolume(costs, point)

    def __str__(self):
        return (
            f"{row_table(self.rows, (*self.maximize, *self.minimize))}\n"
            f"{len(self.dominated)} dominated, {self.num_left_out} left out"
        )


def pareto_front(
    rows_or_tuner: Iterable[Mapping] | Any,
    maximize: Sequence[str] = ("accuracy",),
    minimize: Sequence[str] = ("latency_ms", "size_bytes"),
) -> ParetoFront:
    """Returns the rows that are worth a choice between their figures.

    A row is dominated if another is at least as good in all objectives and
    better in one. Rows that are equal in all of them stay, all or none.

    Args:
        rows_or_tuner: Iterable of mappings, such as dictionaries; or a tuner
            or oracle of keras-tuner, whose trials become rows with each of
            their metrics, at the step of the best score, "trial_id",
            "status", "score" and "hyperparameters" (a dictionary).
        maximize: Names of figures that are better when larger.
        minimize: Names of figures that are better when smaller.

    Returns:
        A `keras_eff.tuning.ParetoFront`.

    Raises:
        TypeError: If there are neither rows nor a tuner that knows its
            trials, or a figure is not a number.
        ValueError: If there is no objective, one is named twice, or none of
            the rows has it.

    Example:

    >>> rows = [
    ...     {"accuracy": 0.9, "latency_ms": 2.0, "name": "large"},
    ...     {"accuracy": 0.8, "latency_ms": 1.0, "name": "small"},
    ...     {"accuracy": 0.7, "latency_ms": 1.5, "name": "neither"},
    ... ]
    >>> front = keras_eff.tuning.pareto_front(rows, minimize=["latency_ms"])
    >>> print(front)
    accuracy  latency_ms  name
         0.9           2  large
         0.8           1  small
    1 dominated, 0 left out
    >>> round(front.hypervolume({"accuracy": 0.5, "latency_ms": 3.0}), 3)
    0.7
    """
    maximize = objectives.check_names("maximize", maximize)
    minimize = objectives.check_names("minimize", minimize)
    names = _check_objectives(maximize, minimize)
    rows = objectives.rows_of("rows_or_tuner", rows_or_tuner)
    compared = objectives.comparable(rows, names)
    costs = _costs(compared, maximize, minimize)
    order = np.lexsort(costs.T[::-1])
    compared, costs = [compared[i] for i in order], costs[order]
    beaten = [_is_dominated(cost, costs) for cost in costs]
    pairs = list(zip(compared, beaten, strict=True))
    return ParetoFront(
        rows=tuple(row for row, is_beaten in pairs if not is_beaten),
        dominated=tuple(row for row, is_beaten in pairs if is_beaten),
        num_left_out=len(rows) - len(compared),
        maximize=maximize,
        minimize=minimize,
    )


def _check_objectives(maximize, minimize):
    names = (*maximize, *minimize)
    if not names or len(set(names)) < len(names):
        raise ValueError(
            "Arguments `maximize` and `minimize` must name at least one "
            "figure, and each once. Received: "
            f"maximize={maximize}, minimize={minimize}"
        )
    return names


def _costs(rows, maximize, minimize):
    """Array of shape (rows, objectives), all to be minimized."""
    costs = [
        [-float(row[name]) for name in maximize]
        + [float(row[name]) for name in minimize]
        for row in rows
    ]
    return np.reshape(costs, (len(rows), len(maximize) + len(minimize)))


def _is_dominated(cost, costs):
    no_worse = (costs <= cost).all(axis=1)
    better = (costs < cost).any(axis=1)
    return bool((no_worse & better).any())
