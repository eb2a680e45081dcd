import pathlib
import shutil
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).parents[2] / "examples" / "quickstart.py"
FILES = ("float32", "4-bit PTQ", "4-bit QAT")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One small run of the script, copied alone: its folder and output."""
    folder = tmp_path_factory.mktemp("quickstart")
    script = shutil.copy(SCRIPT, folder)
    sizes = ["--epochs=2", "--qat_epochs=1", "--train_size=300"]
    others = ["--num_bits=4", "--out_dir=files"]
    done = subprocess.run(
        [sys.executable, script, *sizes, *others],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "files", done.stdout


def table(printed):
    """{file: [accuracy, bytes, gzip, ms]} as printed."""
    header = printed[printed.index("file   ") :].splitlines()
    lines = header[1 : 1 + len(FILES)]
    return {
        line[:16].rstrip(): [
            float(cell.replace(",", "")) for cell in line[16:].split()
        ]
        for line in lines
    }


def test_table_has_the_figures_of_every_file(run):
    rows = table(run[1])
    assert tuple(rows) == FILES
    for accuracy, size_bytes, gzip_bytes, latency_ms in rows.values():
        assert 0 <= accuracy <= 1
        assert size_bytes > gzip_bytes > 0
        assert latency_ms > 0


def test_table_tells_the_size_of_the_files_written(run):
    folder, printed = run
    for name, (_, size_bytes, *_) in table(printed).items():
        path = folder / f"{name.lower().replace(' ', '_')}.tflite"
        assert path.stat().st_size == size_bytes


def test_fewer_bits_make_smaller_downloads(run):
    rows = table(run[1])
    gzip_bytes = {name: figures[2] for name, figures in rows.items()}
    assert gzip_bytes["float32"] > 5 * gzip_bytes["4-bit QAT"]


def test_progress_is_shown(run):
    assert "Epoch 2/2" in run[1]


def test_picture_is_saved(run):
    picture = (run[0] / "pareto.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000
