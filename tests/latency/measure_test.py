import doctest

import keras
import numpy as np
import pytest

import keras_eff
import keras_eff.latency
from keras_eff.latency import Latency
from keras_eff.latency import LiteRT
from keras_eff.latency import measure

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


def test_it_measures_on_this_machine_by_default(dense_file):
    latency = measure(dense_file)
    assert latency.num_runs == 50 and latency.num_threads == 1
    assert latency.runner.startswith("litert ")
    assert latency.min_ms <= latency.p5_ms <= latency.median_ms
    assert latency.median_ms <= latency.p95_ms


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
    with pytest.raises(ValueError, match="not a directory. Received: path="):
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
    with pytest.raises(ValueError, match=f">= 1. Received: {name}=0"):
        measure(dense_file, **{name: 0}, runner=return_found)
    for wrong in (1.0, "1", True):
        with pytest.raises(TypeError, match=f"{name}=.* of type builtins"):
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
