import csv
import dataclasses
import io

import pytest

from keras_eff.command_line.measured_rows import csv_lines
from keras_eff.command_line.measured_rows import describe
from keras_eff.command_line.measured_rows import failed_row
from keras_eff.command_line.measured_rows import measured_row
from keras_eff.latency import Latency
from keras_eff.latency.benchmark_tool.delegation import Delegation
from keras_eff.latency.benchmark_tool.op_profile import OpTime

OPERATORS = tuple(
    OpTime("CONV_2D", f"[{'layer/' * 9}{i}]:{i}", float(i), i / 78)
    for i in range(13)
)
LATENCY = dataclasses.replace(
    Latency.from_times(
        [1234.5, 1234.5],
        num_threads=1,
        runner="benchmark_model",
        device="a phone",
        init_ms=1 / 3,
    ),
    delegations=(Delegation("TfLiteXNNPackDelegate", 29, 31, 3),),
    op_profile=OPERATORS,
    warnings=("hot", "busy"),
)
OTHER = Latency.from_times(
    [0.05], num_threads=1, runner="litert", device="a phone"
)


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "m.tflite"
    file.write_bytes(bytes(1234))
    return str(file)


def test_the_table_has_units_separators_and_delegates(path):
    title, figures = describe([measured_row(path, LATENCY)]).splitlines()[:2]
    assert title.split("  ")[0] == "file"
    assert "bytes  median ms" in title and "peak MB" not in title
    assert " 1,234  1,234.500" in figures
    assert figures.endswith("  XNNPack 29 of 31 in 3 parts")


def test_what_all_files_share_stands_below(path):
    rows = [measured_row(path, LATENCY), measured_row(path, OTHER)]
    table, caption, _ = describe(rows).split("\n\n")
    assert table.splitlines()[0].endswith("  runs  runner")
    assert caption == "threads 1; device a phone"


def test_short_times_have_more_digits(path):
    assert " 0.05000" in describe([measured_row(path, OTHER)])
    assert " 1,234.500 " in describe([measured_row(path, LATENCY)])


def test_the_slowest_operators_are_listed_by_the_ends_of_their_names(path):
    text = describe([measured_row(path, LATENCY)])
    title, header, *lines = text.split("\n\n")[-1].splitlines()
    assert title.endswith(" on a phone, the slowest 10 of 13")
    assert header.split() == ["operator", "name", "ms", "share"]
    assert [float(line.split()[-2]) for line in lines] == list(range(12, 2, -1))
    assert lines[0].endswith("/12]:12  12.0000  0.154")


def test_a_file_that_failed_is_a_row_with_its_error(path):
    row = failed_row(path, "A1", RuntimeError("x" * 70 + "\nlog"))
    assert row["error"] == "x" * 70 + "\nlog" and row["median_ms"] is None
    table, caption = describe([measured_row(path, OTHER), row]).split("\n\n")
    assert table.endswith(f"  {'x' * 47}...")
    assert "device a phone" in caption


def test_csv_reads_back_with_equal_figures(path):
    failed = failed_row(path, "A1", ValueError("a,\nb"))
    text = csv_lines([measured_row(path, LATENCY), failed], has_header=True)
    row, other = csv.DictReader(io.StringIO(text))
    for name in ("median_ms", "p95_ms", "std_ms", "init_ms", "num_runs"):
        assert float(row[name]) == getattr(LATENCY, name)
    assert row["delegated"] == "XNNPack 29 of 31 in 3 parts"
    assert (row["warnings"], row["error"]) == ("hot; busy", "")
    assert (other["error"], other["device"]) == ("a,\nb", "A1")
    assert other["median_ms"] == other["delegated"] == ""


def test_what_the_tool_does_not_tell_of_a_delegate_is_left_out(path):
    delegations = (Delegation("Gpu", 5, None, None), Delegation("X", 1, 2, 1))
    latency = dataclasses.replace(OTHER, delegations=delegations)
    text = csv_lines([measured_row(path, latency)], has_header=True)
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["delegated"] == "Gpu 5; X 1 of 2 in 1 part"
