import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from keras_eff.tuning.pareto_front import pareto_front


def row(accuracy, latency_ms, size_bytes=1, **others):
    figures = {"accuracy": accuracy, "latency_ms": latency_ms}
    return {**figures, "size_bytes": size_bytes, **others}


def dominates(a, b):
    pairs = [(-a["accuracy"], -b["accuracy"])]
    pairs += [(a[name], b[name]) for name in ("latency_ms", "size_bytes")]
    return all(x <= y for x, y in pairs) and any(x < y for x, y in pairs)


FIGURES = strategies.integers(0, 3)
ROWS = strategies.lists(strategies.builds(row, FIGURES, FIGURES, FIGURES))


@hypothesis.settings(derandomize=True, deadline=None, max_examples=200)
@hypothesis.given(ROWS)
def test_it_is_what_no_row_dominates(rows):
    front = pareto_front(rows)
    beaten = [any(dominates(other, r) for other in rows) for r in rows]

    def ids(chosen):
        return sorted(map(id, chosen))

    pairs = list(zip(rows, beaten, strict=True))
    assert ids(front.rows) == ids(r for r, is_beaten in pairs if not is_beaten)
    assert ids(front.dominated) == ids(r for r, is_beaten in pairs if is_beaten)
    assert front.num_left_out == 0


def test_rows_that_are_equal_all_stay():
    front = pareto_front([row(0.5, 1.0, name="a"), row(0.5, 1.0, name="b")])
    assert [r["name"] for r in front.rows] == ["a", "b"]


def test_the_best_of_the_first_objective_stands_first():
    rows = [row(0.7, 1), row(0.9, 3), row(0.8, 2), row(0.6, 2), row(0.65, 4)]
    front = pareto_front(rows)
    assert [r["accuracy"] for r in front.rows] == [0.9, 0.8, 0.7]
    assert [r["accuracy"] for r in front.dominated] == [0.65, 0.6]


def test_objectives_can_be_chosen():
    rows = [row(0.9, 3, 1), row(0.8, 1, 2)]
    assert len(pareto_front(rows, minimize=["size_bytes"]).rows) == 1
    by_latency = pareto_front(rows, maximize=(), minimize=["latency_ms"])
    assert by_latency.rows == (rows[1],)
    assert by_latency.minimize == ("latency_ms",)


@pytest.mark.parametrize(
    "other",
    [
        row(math.nan, 0.1),
        row(math.inf, 0.1),
        row(None, 0.1),
        row(np.float32("nan"), 0.1),
        {"latency_ms": 0.1, "size_bytes": 1},
        row(1.0, 0.1, status="FAILED"),
    ],
    ids=["NaN", "infinite", "None", "NaN of numpy", "missing", "FAILED"],
)
def test_rows_that_cannot_be_compared_are_left_out_and_counted(other):
    kept = row(0.5, 1.0, status="COMPLETED")
    front = pareto_front([other, kept, other])
    assert front.rows == (kept,) and not front.dominated
    assert front.num_left_out == 2
    assert str(front).endswith("0 dominated, 2 left out")


def test_no_rows_give_an_empty_front():
    front = pareto_front([])
    assert front.rows == front.dominated == ()
    reference = {"accuracy": 0, "latency_ms": 1, "size_bytes": 1}
    assert front.hypervolume(reference) == 0.0
    assert str(front).startswith("accuracy  latency_ms  size_bytes\n")


def test_the_hypervolume_respects_what_is_maximized():
    rows = [row(0.9, 2.0), row(0.8, 1.0)]
    front = pareto_front(rows, minimize=["latency_ms"])
    reference = {"latency_ms": 3.0, "accuracy": 0.5}
    assert front.hypervolume(reference) == pytest.approx(0.4 * 1 + 0.3 * 1)


def test_a_reference_needs_a_number_for_each_objective():
    front = pareto_front([row(0.9, 2.0)], minimize=["latency_ms"])
    for reference in (
        {"accuracy": 0.5},
        {"accuracy": 0.5, "latency_ms": math.inf},
        {"accuracy": 0.5, "latency_ms": "3"},
        {"accuracy": 0.5, "latency_ms": 3.0, "size_bytes": 1},
    ):
        with pytest.raises(ValueError, match="Received: reference={'accuracy"):
            front.hypervolume(reference)


def test_a_figure_that_no_row_has_is_an_error():
    with pytest.raises(ValueError, match="'latency_ms'.*: \\['loss'\\]"):
        pareto_front([row(0.9, 2.0)], minimize=["loss"])


def test_a_figure_that_is_no_number_is_an_error():
    with pytest.raises(TypeError, match="'0.9' of type builtins.str"):
        pareto_front([row("0.9", 2.0)])


def test_objectives_must_be_strings_each_once():
    with pytest.raises(TypeError, match="Received: maximize='accuracy'"):
        pareto_front([], maximize="accuracy")
    with pytest.raises(ValueError, match="each once. Received: maximize="):
        pareto_front([], ["accuracy"], ["accuracy"])
    with pytest.raises(ValueError, match="at least one"):
        pareto_front([], (), ())


def test_rows_must_be_mappings():
    with pytest.raises(TypeError, match="Received: 3 of type builtins.int"):
        pareto_front([3])
