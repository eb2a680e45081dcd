import numpy as np
import pytest
import survey_files
from row_file import RowFile
from survey_files import FileRow
from survey_files import LatencyRow
from survey_files import SizeRow
from survey_files import make_sizes
from survey_files import time_files

# The survey's, in bytes.
INT8_BYTES = 26.87 * 1024


def test_untrained_files_are_no_larger_than_the_survey_s(tmp_path, monkeypatch):
    monkeypatch.setattr(survey_files, "WIDTHS", (0.05,))
    rows = RowFile(tmp_path / "sizes.jsonl", SizeRow)
    make_sizes(tmp_path, rows)
    [row] = rows.rows()
    assert row.num_parameters == 14_713
    assert row.num_parameters < row.int8_bytes < INT8_BYTES
    assert 4 * row.num_parameters < row.float_bytes < 4 * INT8_BYTES
    assert [path.name for path in tmp_path.iterdir()] == ["sizes.jsonl"]


def test_names_tell_files_apart():
    row = FileRow("bn first", 0.25, 1, "int8 QAT", 1, 0.5, 1, 1)
    assert row.name == "bn_first_0.25_1_int8_QAT.tflite"


@pytest.fixture
def timed(monkeypatch):
    """The files timed, by a clock that says 3, 1, 2, 3, 1, 2 ms."""
    found = []

    class Latency:
        median_ms = 0.0

    def measure(path, runner):
        found.append((path.name, runner))
        latency = Latency()
        latency.median_ms = float([3, 1, 2][(len(found) - 1) % 3])
        return latency

    monkeypatch.setattr(survey_files.keras_eff.latency, "measure", measure)
    return found


def test_files_are_timed_in_turns_and_once(tmp_path, timed):
    rows = RowFile(tmp_path / "latencies.jsonl", LatencyRow)
    time_files(tmp_path, ["a", "b"], rows, {None: None}, 3)
    assert [name for name, _ in timed] == ["a", "b"] * 3
    assert [row.median_ms for row in rows.rows()] == [
        np.median([3, 2, 1]),
        np.median([1, 3, 2]),
    ]
    time_files(tmp_path, ["a", "b", "c"], rows, {None: None}, 1)
    assert [name for name, _ in timed[6:]] == ["c"]


def test_each_device_has_its_own_times(tmp_path, timed):
    rows = RowFile(tmp_path / "latencies.jsonl", LatencyRow)
    time_files(tmp_path, ["a"], rows, {"pixel": "runner", None: None}, 1)
    assert timed == [("a", "runner"), ("a", None)]
    assert [row.device for row in rows.rows()] == ["pixel", None]
