import importlib.util
import pathlib

import keras
import numpy as np
import pytest

import keras_eff
from keras_eff.latency import Latency
from keras_eff.tuning import measurement_cache
from keras_eff.tuning.measure_trial import measure_trial


class Runner:
    """Stands in for a device."""

    def __init__(self, latency_ms=0.5):
        self.latency_ms = latency_ms
        self.calls = []

    def __call__(self, path, num_threads, num_runs):
        size_bytes = pathlib.Path(path).stat().st_size
        self.calls.append((path, num_threads, num_runs, size_bytes))
        times_ms = [self.latency_ms]
        return Latency.from_times(
            times_ms, num_threads=num_threads, runner="r", device="d"
        )


@pytest.fixture(autouse=True)
def empty_memory(monkeypatch):
    monkeypatch.setattr(measurement_cache, "_KNOWN", {})


def dense(inputs=4, units=2, **options):
    return keras.Sequential(
        [keras.Input((inputs,)), keras.layers.Dense(units, **options)]
    )


def test_a_model_is_measured_on_this_machine_by_default():
    figures = measure_trial(dense(), num_runs=5)
    assert set(figures) == {
        *("latency_ms", "size_bytes", "gzip_bytes", "num_parameters")
    }
    assert 0 < figures["latency_ms"] < 1000
    assert 0 < figures["gzip_bytes"] < figures["size_bytes"]
    assert figures["num_parameters"] == 10


def test_the_runner_measures_the_exported_file_which_is_removed():
    runner = Runner(0.7)
    figures = measure_trial(dense(), None, runner, num_threads=2, num_runs=9)
    [(path, *counts, size_bytes)] = runner.calls
    assert counts == [2, 9]
    assert figures["latency_ms"] == 0.7
    assert figures["size_bytes"] == size_bytes
    assert not pathlib.Path(path).exists()


def test_what_an_untrained_model_answers_is_not_judged():
    samples = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    samples[5, 2] = 1e5
    assert measure_trial(dense(), samples, Runner(), quantize="int8")


def test_an_architecture_is_measured_once():
    runner = Runner()
    first = measure_trial(dense(name="a"), runner=runner)
    model = dense(kernel_initializer="zeros", name="b")
    assert measure_trial(model, runner=runner) == first
    assert len(runner.calls) == 1


def test_a_directory_keeps_the_figures(tmp_path):
    runner = Runner()
    first = measure_trial(dense(), runner=runner, cache=tmp_path)
    measurement_cache._KNOWN.clear()
    assert measure_trial(dense(), runner=runner, cache=tmp_path) == first
    assert len(runner.calls) == 1


def test_other_circumstances_are_measured_again():
    runner = Runner()
    for options in ({}, {"quantize": "float16"}, {"num_runs": 3}):
        measure_trial(dense(), runner=runner, **options)
    assert len(runner.calls) == 3


def test_another_runner_measures_again():
    def other(path, num_threads, num_runs):
        return Runner(9.0)(path, num_threads, num_runs)

    measure_trial(dense(), runner=Runner())
    assert measure_trial(dense(), runner=other)["latency_ms"] == 9.0


def test_the_default_runner_is_another_with_another_executable(monkeypatch):
    measure_trial(dense(), num_runs=1)
    monkeypatch.setenv("KERAS_EFF_BENCHMARK_MODEL", "absent")
    with pytest.raises((FileNotFoundError, RuntimeError)):
        measure_trial(dense(), num_runs=1)


def test_ranges_of_integers_are_found_without_samples():
    figures = measure_trial(dense(64, 64), runner=Runner(), quantize="int8")
    assert figures["size_bytes"] < 4 * 64 * 64


def test_samples_are_used_and_checked():
    wrong = np.zeros((3, 5), "float32")
    with pytest.raises(ValueError, match="must have shape"):
        measure_trial(dense(), wrong, Runner(), quantize="int8")
    right = np.ones((300, 4), "float32")
    assert measure_trial(dense(), right, Runner(), quantize="int8")


def test_a_model_whose_ranges_have_seen_no_data_is_left_as_it_is():
    model = keras_eff.quantize(dense(64, 64))
    before = model.get_weights()
    figures = measure_trial(model, runner=Runner())
    assert figures["size_bytes"] < 4 * 64 * 64
    assert not model.layers[1].calibrated
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_what_an_untrained_model_computes_is_not_looked_at():
    model = dense(kernel_initializer=keras.initializers.Constant(1e-30))
    assert measure_trial(model, runner=Runner(), quantize="int8")


@pytest.mark.parametrize("name", ["latency_ms", "size_bytes"])
def test_a_model_over_a_limit_fails_the_trial(name):
    from keras_tuner.errors import FailedTrialError

    runner = Runner(0.5)
    figures = measure_trial(dense(), runner=runner)
    at = {f"max_{name}": figures[name]}
    assert measure_trial(dense(), runner=runner, **at) == figures
    below = {f"max_{name}": figures[name] / 2}
    with pytest.raises(FailedTrialError, match=f"{name}=.* > max_{name}="):
        measure_trial(dense(), runner=runner, **below)
    assert len(runner.calls) == 1


def test_a_limit_must_be_a_positive_number():
    with pytest.raises(ValueError, match="Received: max_latency_ms=0"):
        measure_trial(dense(), runner=Runner(), max_latency_ms=0)
    with pytest.raises(ValueError, match="Received: max_size_bytes='1'"):
        measure_trial(dense(), runner=Runner(), max_size_bytes="1")


def test_a_limit_needs_keras_tuner(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="keras_eff\\[search\\]"):
        measure_trial(dense(), runner=Runner(), max_latency_ms=1)


def test_a_list_of_runners_is_an_error():
    with pytest.raises(TypeError, match="once for each device. Received: "):
        measure_trial(dense(), runner=[Runner()])


def test_a_runner_without_a_median_is_an_error():
    def runner(path, num_threads, num_runs):
        unknown = dict.fromkeys(
            ["median_ms", "min_ms", "p5_ms", "p95_ms", "std_ms", "init_ms"]
        )
        return Latency(
            **unknown,
            mean_ms=1.0,
            num_runs=1,
            num_threads=1,
            peak_memory_mb=None,
            runner="old tool",
            device="d",
        )

    with pytest.raises(RuntimeError, match="median.*Received: runner='old to"):
        measure_trial(dense(), runner=runner)


def test_a_model_that_is_not_built_is_an_error():
    model = keras.Sequential([keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="built"):
        measure_trial(model, runner=Runner())
