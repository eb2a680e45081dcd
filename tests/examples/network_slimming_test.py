import re

import pytest


@pytest.fixture(scope="module")
def run(run_example, tmp_path_factory):
    """One small run of the script: its folder, and what it printed."""
    folder = tmp_path_factory.mktemp("slimming")
    sizes = ["--epochs=1", "--tune_epochs=1", "--train_size=64"]
    arguments = [*sizes, "--out_dir=files"]
    printed = run_example("network_slimming", folder, *arguments)
    return folder / "files", printed


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
