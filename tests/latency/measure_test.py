import dataclasses
import doctest

import keras
import numpy as np
import pytest

import keras_eff
import keras_eff.latency
from keras_eff.latency import Latency
from keras_eff.latency import LiteRT
from keras_eff.latency import measure

from .stand_ins import replay
from .stand_ins import tflite_log

pytest_plugins = ["tests.latency.stand_in_fixtures"]

FOUND = Latency.from_times([1.0], num_threads=1, runner="r", device="d")


def return_found(path, num_threads, num_runs):
    return FOUND


@pytest.fixture
def write(tmp_path):
    def write_content(content):
        path = tmp_path / "model.tflite"
        path.write_bytes(content)
        return path

    return write_content


def test_it_measures_on_this_machine_by_default(dense_file, scripts):
    latency = measure(dense_file)
    assert latency.num_runs == 50 and latency.num_threads == 1
    assert latency.runner.startswith("litert ")
    assert latency.min_ms <= latency.p5_ms <= latency.median_ms
    assert latency.median_ms <= latency.p95_ms


def test_an_executable_in_the_environment_is_the_default(
    dense_file, scripts, monkeypatch
):
    path = scripts.write("tool", replay(tflite_log()))
    monkeypatch.setenv("KERAS_EFF_BENCHMARK_MODEL", str(path))
    latency = measure(dense_file)
    assert latency.runner == "benchmark_model tflite xnnpack"
    assert "--num_threads=1 --num_runs=50 " in scripts.calls("tool")[0]


def test_an_executable_on_path_is_not_the_default(dense_file, scripts):
    scripts.write("benchmark_model", replay(tflite_log()))
    assert measure(dense_file, num_runs=1).runner.startswith("litert ")


def test_several_runners_give_a_row_each(dense_file):
    other = dataclasses.replace(FOUND, device="e")
    runners = [return_found, lambda *args: other]
    assert measure(dense_file, runner=runners) == [FOUND, other]
    assert measure(dense_file, runner=(return_found,)) == [FOUND]


def test_the_first_runner_that_fails_ends_the_measurement(dense_file):
    calls = []

    def fail(*args):
        calls.append(args)
        raise RuntimeError("unplugged")

    with pytest.raises(RuntimeError, match="unplugged"):
        measure(dense_file, runner=[return_found, fail, fail])
    assert len(calls) == 1


def test_runners_are_checked_before_the_first_runs(dense_file):
    with pytest.raises(TypeError, match="'litert' of type builtins.str"):
        measure(dense_file, runner=[lambda *args: 1 / 0, "litert"])
    with pytest.raises(ValueError, match="at least one.*runner=\\[\\]"):
        measure(dense_file, runner=[])


def test_it_does_what_the_runner_does(dense_file):
    calls = []

    def runner(path, num_threads, num_runs):
        calls.append((path, num_threads, num_runs))
        return FOUND

    assert measure(dense_file, np.int64(4), 7, runner) is FOUND
    assert calls == [(str(dense_file), 4, 7)]
    assert type(calls[0][1]) is int


def test_a_missing_file_is_an_error():
    with pytest.raises(FileNotFoundError, match="Received: path=absent.tflite"):
        measure("absent.tflite", runner=return_found)


def test_a_directory_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="or a directory. Received: path="):
        measure(tmp_path, runner=return_found)


def test_an_empty_file_is_an_error(write):
    with pytest.raises(ValueError, match="empty file. Received: path="):
        measure(write(b""), runner=return_found)


@pytest.mark.parametrize("content", [b"x", b"PK\x03\x04 a zip archive"])
def test_a_file_of_another_kind_is_an_error(write, content):
    with pytest.raises(ValueError, match="TFL3.*Received: path="):
        measure(write(content), runner=return_found)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_a_truncated_file_is_an_error(write, dense_file, share):
    content = dense_file.read_bytes()
    path = write(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=r"Flatbuffer[^$]*Received: path="):
        measure(path)


def test_a_path_of_the_wrong_type_is_an_error():
    with pytest.raises(TypeError, match="path=3 of type builtins.int"):
        measure(3)


@pytest.mark.parametrize("name", ["num_threads", "num_runs"])
def test_a_count_must_be_an_integer_from_one(dense_file, name):
    for wrong in (0, 1.0, "1", True):
        with pytest.raises(ValueError, match=f"integer. Received: {name}="):
            measure(dense_file, **{name: wrong}, runner=return_found)


def test_a_runner_that_is_not_callable_is_an_error(dense_file):
    with pytest.raises(TypeError, match="'litert' of type builtins.str"):
        measure(dense_file, runner="litert")


def test_a_runner_class_is_an_error(dense_file):
    with pytest.raises(TypeError, match=r"LiteRT\(\), not a class"):
        measure(dense_file, runner=LiteRT)


def test_a_runner_must_return_a_latency(dense_file):
    with pytest.raises(TypeError, match="returned 0.5 of type builtins.float"):
        measure(dense_file, runner=lambda *args: 0.5)


@pytest.mark.parametrize("documented", [Latency, LiteRT, measure])
def test_the_example_in_the_docstring_runs(documented, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"keras": keras, "keras_eff": keras_eff}
    finder = doctest.DocTestFinder(recurse=False)
    (test,) = finder.find(documented, globs=names)
    assert test.examples
    assert doctest.DocTestRunner().run(test).failed == 0
