import keras
import numpy as np
import pytest

import keras_eff
from keras_eff.export import to_tflite
from support.image_data import ImageData
from support.row_file import RowFile
from support.survey import survey_files
from support.survey.survey_columns import INT4_QAT
from support.survey.survey_columns import QAT
from support.survey.survey_files import FileRow
from support.survey.survey_files import LatencyRow
from support.survey.survey_files import SizeRow
from support.survey.survey_files import make_file
from support.survey.survey_files import make_sizes
from support.survey.survey_files import time_files

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


def test_only_files_of_four_bits_are_packed(tmp_path, monkeypatch):
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    packings = {}

    class Laboratory:
        samples = np.eye(4, 8, dtype="float32")
        data = ImageData(None, None, (samples, np.zeros(4)), 4)

        def trained(self, column, width, seed):
            return model

        def quantized(self, column, width, seed, file):
            quantized = keras_eff.quantize(model, 4)
            return keras_eff.calibrate(quantized, self.samples)

    def write(model, path, packing, samples):
        packings[path.name] = packing
        return to_tflite(model, path, packing, samples)

    monkeypatch.setattr(survey_files, "to_tflite", write)
    for file in ("float32", QAT, INT4_QAT):
        row = make_file(Laboratory(), tmp_path, "slimmed", 0.1, 0, file)
        assert row.size_bytes == (tmp_path / row.name).stat().st_size
        assert row.num_parameters == model.count_params()
        assert 0 <= row.accuracy <= 1
    assert list(packings.values()) == [None, None, "int4"]


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
