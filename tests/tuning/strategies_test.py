import math

import hypothesis
import pytest
from hypothesis import strategies

import keras_eff
from keras_eff.tuning.strategies import grow_improve_shrink
from keras_eff.tuning.strategies import shrink_and_improve


def row(accuracy, size_bytes, latency_ms=1, **others):
    figures = {"accuracy": accuracy, "size_bytes": size_bytes}
    return {**figures, "latency_ms": latency_ms, **others}


FIGURES = strategies.integers(1, 4)
ROWS = strategies.lists(strategies.builds(row, *[FIGURES] * 3), min_size=1)


def fits(before, after):
    return all(after[k] <= before[k] for k in ("size_bytes", "latency_ms"))


def product(r):
    return r["size_bytes"] * r["latency_ms"]


@hypothesis.settings(derandomize=True, deadline=None, max_examples=150)
@hypothesis.given(ROWS, ROWS, strategies.integers(0, 2))
def test_shrinking_takes_the_smallest_that_is_as_good(old, new, tolerance):
    found = {
        id(x.before): x.after
        for x in shrink_and_improve(old, new, tolerance=tolerance)
    }
    for before in old:
        fitting = [
            r
            for r in new
            if fits(before, r)
            and r["accuracy"] >= before["accuracy"] - tolerance
            and product(r) < product(before)
        ]
        after = found.get(id(before))
        assert (after is None) == (not fitting)
        if after is not None:
            assert any(after is r for r in fitting)
            assert product(after) == min(map(product, fitting))


@hypothesis.settings(derandomize=True, deadline=None, max_examples=150)
@hypothesis.given(ROWS, ROWS)
def test_growing_takes_the_best_that_is_as_small(old, new):
    found = {id(x.before): x for x in grow_improve_shrink(old, new)}
    for before in old:
        accuracies = [r["accuracy"] for r in new if fits(before, r)]
        gain = max(accuracies, default=0) - before["accuracy"]
        exchange = found.get(id(before))
        assert (exchange is None) == (gain <= 0)
        if exchange is not None:
            assert exchange.gain == gain
            assert fits(before, exchange.after)


def test_an_exchange_tells_the_ratios():
    before = row(0.6, 300, 2.0, name="w 0.25")
    after = row(0.61, 100, 0.5, name="w 0.1, taught")
    [exchange] = shrink_and_improve([before], [after])
    assert exchange.ratios == {"size_bytes": 3.0, "latency_ms": 4.0}
    assert exchange.gain == pytest.approx(0.01)
    assert str(exchange) == (
        "w 0.25 -> w 0.1, taught: 3 times smaller, 4 times faster, "
        "accuracy 0.6 -> 0.61"
    )


def test_other_figures_and_rows_without_names_are_told():
    before, after = {"top5": 0.5, "macs": 8}, {"top5": 0.5, "macs": 4}
    [exchange] = shrink_and_improve(
        [before], [after], quality="top5", footprint=["macs"]
    )
    assert str(exchange) == (
        "{'top5': 0.5, 'macs': 8} -> {'top5': 0.5, 'macs': 4}: "
        "2 times less macs, top5 0.5 -> 0.5"
    )


def test_nothing_of_no_size_is_infinitely_smaller():
    [exchange] = shrink_and_improve([row(1, 5)], [row(1, 0)])
    assert exchange.ratios["size_bytes"] == math.inf


def test_rows_that_cannot_be_compared_are_left_out():
    old = [row(0.5, 10), row(0.5, math.nan), row(0.5, 10, status="FAILED")]
    new = [row(0.9, None), row(0.6, 9)]
    [exchange] = grow_improve_shrink(old, new)
    assert exchange.before is old[0]
    assert exchange.after is new[1]


@pytest.mark.parametrize("strategy", [shrink_and_improve, grow_improve_shrink])
def test_wrong_figures_are_told(strategy):
    rows = [row(0.5, 10)]
    with pytest.raises(ValueError, match="latency_s"):
        strategy(rows, rows, footprint=["latency_s"])
    with pytest.raises(ValueError, match="each once. Received"):
        strategy(rows, rows, footprint=[])
    with pytest.raises(ValueError, match="each once. Received"):
        strategy(rows, rows, footprint=["accuracy"])
    with pytest.raises(TypeError, match="`footprint`.*sequence of strings"):
        strategy(rows, rows, footprint="size_bytes")
    with pytest.raises(TypeError, match="`candidates` must hold mappings"):
        strategy(rows, [1])


def test_a_negative_tolerance_is_an_error():
    with pytest.raises(ValueError, match="`tolerance`.*Received"):
        keras_eff.tuning.shrink_and_improve([row(1, 1)], [], tolerance=-1)
