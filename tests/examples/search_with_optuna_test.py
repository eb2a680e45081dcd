import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("optuna")

SCRIPT = pathlib.Path(__file__).parents[2] / "examples/search_with_optuna.py"
SIZES = ["--epochs=1", "--train_size=100", "--out_dir=a"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A search without a model that is fast enough, gone on with a limit."""
    folder = tmp_path_factory.mktemp("search")
    limits = [("1", "1e-6"), ("2", "9")]
    ends = [
        subprocess.run(
            [
                *[sys.executable, SCRIPT, *SIZES],
                *[f"--max_trials={trials}", f"--max_latency_ms={limit}"],
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        for trials, limit in limits
    ]
    return folder / "a", *ends


def test_a_model_that_is_too_slow_is_not_trained(runs):
    folder, first, _ = runs
    assert first.returncode == 1
    assert "Trial 0 pruned. too slow: " in first.stderr
    assert "none was within --max_latency_ms=1e-06" in first.stderr
    assert not (folder / "trial_0.keras").exists()


def test_a_second_start_goes_on(runs):
    folder, _, second = runs
    assert second.returncode == 0, second.stderr
    assert "Trial 0" not in second.stderr
    assert "Trial 1 finished" in second.stderr
    assert "0 dominated, 1 left out" in second.stdout
    assert (folder / "trial_1.keras").exists()


def test_the_front_is_printed_drawn_and_shipped(runs):
    folder, _, second = runs
    assert second.stdout.startswith("val_accuracy  latency_ms  size_bytes")
    assert (folder / "front.png").read_bytes().startswith(b"\x89PNG")
    shipped = second.stdout.split("on the test images:\n")[1]
    size = (folder / "trial_1.tflite").stat().st_size
    assert shipped.splitlines()[1].split()[::2][:2] == ["trial_1", f"{size:,}"]
