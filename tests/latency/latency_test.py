import dataclasses

import numpy as np
import pytest

from keras_eff.latency import Latency


def make(times_ms, **kwargs):
    kwargs = {"num_threads": 1, "runner": "a runner", "device": "a", **kwargs}
    return Latency.from_times(times_ms, **kwargs)


def test_the_figures_equal_the_definitions():
    times_ms = np.random.default_rng(0).exponential(size=101)
    latency = make(times_ms.tolist(), init_ms=3.0, peak_memory_mb=4.0)
    ordered = sorted(times_ms)
    mean = sum(ordered) / 101
    np.testing.assert_allclose(
        dataclasses.astuple(latency)[:7],
        [
            ordered[50],
            mean,
            ordered[0],
            ordered[5],
            ordered[95],
            (sum((t - mean) ** 2 for t in ordered) / 101) ** 0.5,
            3.0,
        ],
    )
    assert latency.num_runs == 101
    assert latency.peak_memory_mb == 4.0


def test_figures_are_plain_numbers():
    values = dataclasses.astuple(make(np.array([1.0, 2.0], "float32")))[:12]
    assert {type(v) for v in values} == {float, int, str, type(None)}


def test_what_a_runner_cannot_tell_is_none():
    latency = make([1.0])
    assert latency.init_ms is None and latency.peak_memory_mb is None


def test_it_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make([1.0]).median_ms = 0.0


def test_it_prints_as_one_line():
    assert str(make([0.5, 0.6, 9.0], num_threads=2)) == (
        "0.600 ms (median of 3 runs; p5 0.510, p95 8.160; 2 threads)"
    )
    assert str(make([0.00123])) == (
        "0.0012 ms (median of 1 run; p5 0.0012, p95 0.0012; 1 thread)"
    )


def test_it_prints_without_percentiles():
    latency = dataclasses.replace(make([1.0, 1.0]), p5_ms=None)
    assert str(latency) == "1.000 ms (median of 2 runs; 1 thread)"


def without_median(**changes):
    nones = dict.fromkeys(("median_ms", "p5_ms", "p95_ms"))
    return dataclasses.replace(make([0.5, 0.7]), **nones, **changes)


def test_it_prints_the_mean_where_there_is_no_median():
    assert str(without_median(num_runs=50)) == (
        "0.600 ms (mean of 50 runs; the tool gave no median; 1 thread)"
    )
    assert str(without_median(mean_ms=None)) == (
        "unknown time (2 runs; 1 thread)"
    )


def test_what_only_some_runners_tell_is_empty_by_default():
    latency = make([1.0])
    assert latency.op_profile is None
    assert latency.delegations == latency.warnings == ()
