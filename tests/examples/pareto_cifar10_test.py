import json

import pytest
from absl import flags

FLAGS = (
    *("--dataset=mnist_5k", "--noflip", "--train_size=64", "--epochs=1"),
    "--teacher_epochs=1",
    *("--columns=baseline", "--widths=0.05", "--rounds=1", "--out_dir=files"),
)
SIZES = {"num_parameters": 1, "float_bytes": 1, "int8_bytes": 1}


def rows(folder):
    lines = (folder / "files" / "rows.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def first(run_example, tmp_path_factory):
    """A run: its folder, and what it printed."""
    folder = tmp_path_factory.mktemp("pareto")
    (folder / "files").mkdir()
    # Those of all widths take a while, and have a test of their own.
    sizes = [SIZES | {"width": w} for w in (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)]
    text = "".join(json.dumps(row) + "\n" for row in sizes)
    (folder / "files" / "sizes.jsonl").write_text(text)
    return folder, run_example("pareto_cifar10", folder, *FLAGS)


def test_every_file_has_a_row(first):
    found = rows(first[0])
    assert [r["file"] for r in found] == ["float32", "int8 PTQ", "int8 QAT"]
    for row in found:
        name = f"baseline_0.05_0_{row['file'].replace(' ', '_')}.tflite"
        path = first[0] / "files" / "files" / name
        assert path.stat().st_size == row["size_bytes"]
        assert 0 <= row["accuracy"] <= 1


def test_a_run_goes_on_where_it_was_stopped(first, run_example):
    folder, printed = first
    assert "File 3 of 3" in printed
    assert "val_accuracy" in printed
    path = folder / "files" / "rows.jsonl"
    whole = path.read_text()
    lines = whole.splitlines(keepends=True)
    path.write_text(lines[0] + lines[2] + '{"column": "ba')
    printed = run_example("pareto_cifar10", folder, *FLAGS)
    assert "File 1 of 1" in printed
    # Its network is there, and is not trained again.
    assert "val_accuracy" not in printed
    assert sorted(path.read_text().splitlines(True)) == sorted(lines)
    assert (folder / "files" / "report.md").exists()


def test_an_unknown_column_is_told(run_example, tmp_path):
    told = "must be some of baseline, augmentation"
    with pytest.raises(flags.IllegalFlagValueError, match=told):
        run_example("pareto_cifar10", tmp_path, "--columns=basline")
