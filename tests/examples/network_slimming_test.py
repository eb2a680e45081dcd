import pathlib
import re
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).parents[2] / "examples" / "network_slimming.py"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One small run of the script: its folder, and what it printed."""
    folder = tmp_path_factory.mktemp("slimming")
    sizes = ["--epochs=2", "--tune_epochs=1", "--train_size=400"]
    done = subprocess.run(
        [sys.executable, SCRIPT, *sizes, "--out_dir=files"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "files", done.stdout


def test_the_plan_removes_the_share_asked_for(run):
    _, printed = run
    rows = re.findall(r"^conv2d\S* +(\d+) +(\d+)", printed, re.M)
    channels, kept = zip(*(map(int, row) for row in rows), strict=True)
    # Of all but the ten classes, which always stay.
    assert sum(channels) - sum(kept) == pytest.approx(
        0.5 * sum(channels), abs=9
    )


def test_the_slim_file_is_smaller(run):
    folder, printed = run
    sizes = {path.stem: path.stat().st_size for path in folder.glob("*.tflite")}
    table = printed.split("on the test images:\n")[1].splitlines()[1:]
    found = {
        name: int(size.replace(",", ""))
        for name, _, size, *_ in map(str.split, table)
    }
    assert found == sizes
    assert sizes["slim"] < 0.6 * sizes["whole"]
