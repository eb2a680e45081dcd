import json
import random

import pytest

FILES = [("sgnn", "float32"), ("sgnn", "int8"), ("pooling", "float32")]

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight"]


def write_texts(path):
    """Lines of two classes, whose words are not all the same."""
    draw = random.Random(0)
    lines = ["label,text"]
    for k in range(200):
        label = k % 2
        words = draw.choices(WORDS[2 * label : 6 + 2 * label], k=4)
        lines.append(f"{'ab'[label]},{' '.join(words)} {k}")
    path.write_text("\n".join(lines))


@pytest.fixture(scope="module")
def run(run_example, tmp_path_factory):
    """A run that ended early, and is started again: its folder and output."""
    folder = tmp_path_factory.mktemp("text_classification")
    write_texts(folder / "texts.csv")
    sizes = ["--csv=texts.csv", "--epochs=1", "--qat_epochs=1"]
    small = ["--models=sgnn,pooling", "--max_words=4", "--output=files"]
    arguments = ("text_classification", folder, *sizes, *small)
    printed = run_example(*arguments)
    rows = folder / "files" / "rows.jsonl"
    lines = rows.read_text().splitlines(keepends=True)
    rows.write_text(lines[0] + lines[2])
    return folder / "files", printed, run_example(*arguments), lines


def test_rows_have_the_figures_of_every_file(run):
    folder, _, _, lines = run
    rows = [json.loads(line) for line in lines]
    assert [(row["model"], row["file"]) for row in rows] == FILES
    for row in rows:
        assert 0.05 < row["accuracy"] <= 1
        assert row["latency_ms"] > 0
        name = f"{row['model']}_0_{row['file']}.tflite"
        assert row["size_bytes"] == (folder / name).stat().st_size
    assert [row["float_tensors"] == 0 for row in rows] == [False, True, False]


def test_table_has_a_line_for_each_file(run):
    lines = run[1].splitlines()
    header = next(k for k, line in enumerate(lines) if line[:5] == "file ")
    for line, name in zip(lines[header + 1 :], FILES, strict=False):
        assert line.startswith(" ".join(name))


def test_started_again_it_makes_what_is_missing_alone(run):
    folder, _, printed, lines = run
    assert "sgnn, seed 0, quantization-aware" in printed
    assert printed.count("seed 0") == 1
    rows = (folder / "rows.jsonl").read_text().splitlines(keepends=True)
    assert rows[:2] == [lines[0], lines[2]]
    made, first = json.loads(rows[2]), json.loads(lines[1])
    assert made["accuracy"] == pytest.approx(first["accuracy"], abs=0.02)


def test_picture_is_saved(run):
    picture = (run[0] / "pareto.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
