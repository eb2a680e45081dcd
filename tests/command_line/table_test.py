import csv
import io
import json

from keras_eff.command_line.table import Column
from keras_eff.command_line.table import format_csv
from keras_eff.command_line.table import format_json
from keras_eff.command_line.table import format_rows

COLUMNS = (
    Column("file", "file"),
    Column("bytes", "size", ",d"),
    Column("median ms", "median", ",.3f"),
)


def test_text_is_aligned_to_the_left_and_numbers_to_the_right():
    rows = [
        {"file": "a", "size": 1234567, "median": 0.5},
        {"file": "longer", "size": 9, "median": 12.25},
    ]
    assert format_rows(COLUMNS, rows).splitlines() == [
        "file        bytes  median ms",
        "a       1,234,567      0.500",
        "longer          9     12.250",
    ]


def test_a_missing_value_is_a_dash():
    rows = [{"file": "a", "size": None}, {"file": None, "size": 2}]
    assert format_rows(COLUMNS, rows).splitlines()[1:] == [
        "a         -",
        "-         2",
    ]


def test_a_column_without_values_is_left_out():
    text = format_rows(COLUMNS, [{"file": "a", "size": None, "median": 0.0}])
    assert text.splitlines() == ["file  median ms", "a         0.000"]


def test_json_has_null_for_what_is_no_number():
    value = {"a": [float("nan"), 0.1], "b": (float("inf"), None, "x", 3)}
    parsed = json.loads(format_json(value))
    assert parsed == {"a": [None, 0.1], "b": [None, None, "x", 3]}


def test_csv_reads_back_with_equal_figures():
    rows = [{"file": 'a, "b"\nc', "size": 1, "median": 1 / 3, "other": 0}, {}]
    text = format_csv(["file", "size", "median"], rows)
    first, second = csv.DictReader(io.StringIO(text))
    assert first == {"file": 'a, "b"\nc', "size": "1", "median": str(1 / 3)}
    assert float(first["median"]) == 1 / 3
    assert set(second.values()) == {""}


def test_csv_goes_on_without_a_header():
    assert format_csv(["a"], [{"a": 1}], has_header=False) == "1\n"
