import csv
import dataclasses
import io
import json

import pytest

import keras_eff
from keras_eff.latency import Latency

FOUND = Latency.from_times(
    [1 / 3, 2.0, 9.0], num_threads=2, runner="a runner", device="a phone"
)


@pytest.fixture
def calls(monkeypatch):
    """Stands in for measure: damaged files fail, others take some ms."""
    found = []

    def measure(path, num_threads, num_runs, runner, *, input_shapes):
        found.append((path, num_threads, num_runs, runner))
        if path == "cut.tflite":
            raise ValueError("damaged\nby a cut")
        return dataclasses.replace(FOUND, device=str(runner))

    monkeypatch.setattr(keras_eff.latency, "measure", measure)
    return found


def test_it_measures_files_on_this_machine(run, here):
    line = ("measure", "float.tflite", "int8.tflite", "--num_runs=3")
    code, out, err = run(*line, "--runner=litert", "--warmup_runs=1")
    title, one, other, _, caption = out.splitlines()
    assert (code, err) == (0, "")
    assert title.startswith("file          bytes  median ms")
    assert one.startswith("float.tflite") and other.startswith("int8.tflite")
    assert caption.startswith("runs 3; threads 1; runner litert ")


def test_counts_and_runner_are_passed_on(run, here, calls):
    run("measure", "int8.tflite", "--num_threads=2", "--num_runs=7")
    assert calls == [("int8.tflite", 2, 7, None)]


def test_json_has_all_figures(run, here, calls):
    code, out, err = run("measure", "--json", "int8.tflite", "float.tflite")
    rows = json.loads(out)
    assert (code, err) == (0, "")
    assert [row["file"] for row in rows] == ["int8.tflite", "float.tflite"]
    sizes = [(here / row["file"]).stat().st_size for row in rows]
    assert [row["size_bytes"] for row in rows] == sizes
    for field in dataclasses.fields(Latency):
        assert field.name in rows[0]
    assert rows[0]["median_ms"] == FOUND.median_ms
    assert rows[0]["std_ms"] == FOUND.std_ms
    assert rows[0]["error"] is None


def test_csv_has_the_same_figures(run, here, calls):
    code, out, err = run("measure", "--csv", "int8.tflite", "float.tflite")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (code, err) == (0, "")
    assert [row["file"] for row in rows] == ["int8.tflite", "float.tflite"]
    assert {float(row["p5_ms"]) for row in rows} == {FOUND.p5_ms}


def test_a_file_that_fails_is_a_row_and_the_others_are_measured(
    run, here, calls
):
    line = ("measure", "cut.tflite", "int8.tflite")
    code, out, err = run(*line)
    assert code == 1
    assert err.startswith("keras-eff: error: cut.tflite: damaged\n")
    assert "damaged" in out and len(calls) == 2
    code, out, _ = run(*line, "--json")
    failed, measured = json.loads(out)
    assert code == 1
    assert failed["error"] == "damaged\nby a cut"
    assert failed["median_ms"] is None
    assert measured["error"] is None
    code, out, _ = run(*line, "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 1
    assert [row["error"] for row in rows] == ["damaged\nby a cut", ""]


def test_a_damaged_file_does_not_crash_it(run, here):
    code, out, _ = run("measure", "cut.tflite", "--json")
    assert code == 1 and json.loads(out)[0]["error"]


def test_there_is_a_row_for_each_file_and_device(run, here, calls):
    line = ("measure", "int8.tflite", "float.tflite", "--json")
    _, out, _ = run(*line, "--runner=remote", "--host=one,two")
    assert [(path, runner.host) for path, _, _, runner in calls] == [
        ("int8.tflite", "one"),
        ("int8.tflite", "two"),
        ("float.tflite", "one"),
        ("float.tflite", "two"),
    ]
    assert len(json.loads(out)) == 4


def test_warnings_of_a_measurement_are_told(run, here, monkeypatch):
    latency = dataclasses.replace(FOUND, warnings=("the CPU ran it",))
    monkeypatch.setattr(
        keras_eff.latency, "measure", lambda *_, **options: latency
    )
    code, _, err = run("measure", "int8.tflite")
    assert code == 0
    assert err == "keras-eff: warning: int8.tflite: the CPU ran it\n"


def test_a_missing_file_is_an_error_before_anything_is_measured(
    run, here, calls
):
    code, out, err = run("measure", "int8.tflite", "absent.tflite")
    assert (code, out, calls) == (2, "", [])
    assert err == "keras-eff: error: measure: there is no file absent.tflite\n"


@pytest.mark.parametrize(
    "line",
    [
        "--json --csv",
        "--num_runs=0",
        "--num_threads=0",
        "--runner=tpu",
        "--serial=A1",
    ],
)
def test_wrong_flags_are_errors(run, here, calls, line):
    code, out, err = run("measure", "int8.tflite", *line.split())
    assert (code, out, calls) == (2, "", [])
    assert err.startswith("keras-eff: error: ") and err.count("\n") == 1
