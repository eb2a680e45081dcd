import os
import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("ray")

SCRIPT = pathlib.Path(__file__).parents[2] / "examples/search_with_ray.py"
SIZES = ["--epochs=1", "--train_size=100", "--max_trials=1"]
# No report of the use leaves this machine.
ENVIRONMENT = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}


def search(folder, *flags):
    return subprocess.run(
        [sys.executable, SCRIPT, *SIZES, *flags],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A search that is started twice: its folder, and both ends."""
    folder = tmp_path_factory.mktemp("search")
    flags = ["--max_latency_ms=9", "--out_dir=a"]
    ends = [search(folder, *flags) for _ in range(2)]
    assert [end.returncode for end in ends] == [0, 0], ends
    return folder / "a", *ends


def test_the_front_is_printed_drawn_and_shipped(runs):
    folder, first, _ = runs
    table, shipped = first.stdout.split("on the test images:\n")
    assert "val_accuracy  latency_ms  size_bytes  trial_id" in table
    assert (folder / "front.png").read_bytes().startswith(b"\x89PNG")
    (path,) = folder.glob("*.tflite")
    name, _, size, *_ = shipped.splitlines()[1].split()
    assert (name, size) == (path.stem, f"{path.stat().st_size:,}")


def test_a_second_start_goes_on(runs):
    folder, first, second = runs
    end = "0 dominated, 0 left out"
    row, again = (
        run.stdout.split(end)[0].splitlines()[-1] for run in (first, second)
    )
    assert row == again
    assert len(list(folder.glob("ray/train_*/"))) == 1


def test_a_model_that_is_too_slow_is_not_trained(tmp_path):
    done = search(tmp_path, "--max_latency_ms=1e-6", "--out_dir=a")
    assert done.returncode == 1
    assert "none was within --max_latency_ms=1e-06" in done.stderr
    assert not list(tmp_path.rglob("*.keras"))
