import re

import pytest

from support.survey.survey_columns import COLUMNS
from support.survey.survey_files import FileRow
from support.survey.survey_files import LatencyRow
from support.survey.survey_files import SizeRow
from support.survey.survey_report import joined
from support.survey.survey_report import write_report

SETTINGS = {
    "dataset": "cifar10",
    "train_size": 6000,
    "epochs": 10,
    "tune_epochs": 4,
    "qat_epochs": 2,
    "flips": True,
}


def file_rows(columns, seeds=(0,)):
    """Accuracies .50, .51 and so on in the order of the rows."""
    cells = [
        (column, width, seed, file)
        for column in columns
        for width in (0.05, 0.1)
        for file in COLUMNS[column].files
        for seed in seeds
    ]
    return [
        FileRow(*cell, 14_713, 0.5 + index / 100, 20_000 - index, 10_000)
        for index, cell in enumerate(cells)
    ]


def report(folder, columns, seeds=(0,), device=None):
    rows = file_rows(columns, seeds)
    times = [LatencyRow(row.name, device, 0.25) for row in rows]
    sizes = [SizeRow(0.05, 14_713, 60_144, 21_056)]
    path = write_report(folder, SETTINGS, rows, sizes, times)
    return path, path.read_text()


def line(text, title, start):
    """The cells of a row in the table under a title."""
    table = text[text.index(title) :]
    found = re.search(rf"^\| {re.escape(start)} \|.*$", table, re.MULTILINE)
    return [cell.strip() for cell in found.group().strip("|").split("|")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return folder, report(folder, COLUMNS)[1]


def test_the_introduction_tells_the_budget(whole):
    first = whole[1][:600]
    for part in ("cifar10, 6000 training", "10 epochs", "4 more", "2 more"):
        assert part in first
    assert "; 1 seed." in first


def test_survey_tables_have_its_sizes_beside_ours(whole):
    assert line(whole[1], "table 6", "0.05") == [
        *("0.05", "14,713", "19.53", "26.87", "0.2500"),
        *("0.5200", "0.5800", "0.6400"),
    ]
    assert line(whole[1], "table 5", "0.1")[3] == "about 154"
    sizes = line(whole[1], "Sizes of all", "0.05")
    assert sizes[2:] == ["58.73", "about 107", "20.56", "26.87"]


def test_differences_are_in_points_with_their_signs(whole):
    changes = line(whole[1], "What integers change", "baseline")
    assert changes[3:] == ["+1.00", "+2.00", "-"]
    gains = line(whole[1], "What augmentation", "0.05")
    assert gains == ["0.05", "float32", "+6.00", "+6.00"]


def test_strategies_tell_what_replaces_what(whole):
    text = whole[1][whole[1].index("## Strategies") :]
    assert "baseline, width 0.05, float32 -> " in text
    assert "times smaller, 1 times faster, accuracy 0.5 -> " in text


def test_pictures_are_there(whole):
    folder, text = whole
    for name in re.findall(r"!\[\]\((.*)\)", text):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    names = {path.name for path in folder.iterdir()}
    assert names == {"report.md", "float.png", "int8.png", "frontier.png"}


def test_seeds_give_a_mean_and_a_range():
    rows = file_rows(["baseline"], (0, 1))
    times = [LatencyRow(row.name, None, 1 + row.seed) for row in rows]
    row = joined(rows, times)[0]
    assert row["accuracy"] == pytest.approx(0.505)
    assert row["accuracies"] == [0.5, 0.51]
    assert row["latency_ms"] == 1.5
    assert row["seeds"] == 2


def test_a_few_columns_make_a_report(tmp_path):
    _, text = report(tmp_path, ["baseline"], (0, 1))
    assert "2 seeds" in text
    assert line(text, "table 5", "0.05")[-3:] == [
        "0.5050 (0.5000-0.5100)",
        "-",
        "-",
    ]
    assert "from its frontier (0 of 1 files)\n\n- none" in text


def test_columns_beyond_the_survey_alone_make_a_report(tmp_path):
    _, text = report(tmp_path, ["slimmed"])
    assert "slimmed, width" not in text[text.index("## Strategies") :]
    assert (tmp_path / "frontier.png").exists()


def test_another_device_has_a_report_of_its_own(tmp_path):
    path, text = report(tmp_path, ["baseline"], device="pixel")
    assert path.name == "report_pixel.md"
    assert "on pixel" in text
    assert (tmp_path / "frontier_pixel.png").exists()
