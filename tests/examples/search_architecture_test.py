import pytest


@pytest.fixture(scope="module")
def run(run_example, tmp_path_factory):
    """One small search: its folder, and what it printed."""
    folder = tmp_path_factory.mktemp("search")
    sizes = ["--max_trials=2", "--epochs=1", "--train_size=100"]
    arguments = [*sizes, "--max_latency_ms=9", "--out_dir=a"]
    printed = run_example("search_architecture", folder, *arguments)
    return folder / "a", printed


def test_the_front_is_printed_and_drawn(run):
    folder, printed = run
    assert printed.startswith("val_accuracy  latency_ms  size_bytes")
    assert (folder / "front.png").read_bytes().startswith(b"\x89PNG")


def test_each_model_of_the_front_is_shipped(run):
    folder, printed = run
    table = printed.split("on the test images:\n")[1].splitlines()[1:]
    sizes = {path.stem: path.stat().st_size for path in folder.glob("*.tflite")}
    found = {
        name: int(size.replace(",", ""))
        for name, _, size, *_ in map(str.split, table)
    }
    assert sizes and found == sizes
