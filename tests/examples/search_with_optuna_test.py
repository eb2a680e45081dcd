import pytest

optuna = pytest.importorskip("optuna")

SIZES = ["--epochs=1", "--train_size=100", "--out_dir=a"]


@pytest.fixture(scope="module")
def runs(run_example, tmp_path_factory):
    """A search without a model that is fast enough, gone on with a limit.

    Its folder, how the first ended, and what the second printed.
    """
    folder = tmp_path_factory.mktemp("search")
    example = ("search_with_optuna", folder, *SIZES)
    with pytest.raises(SystemExit) as ended:
        run_example(*example, "--max_trials=1", "--max_latency_ms=1e-6")
    printed = run_example(*example, "--max_trials=2", "--max_latency_ms=9")
    return folder / "a", ended.value.code, printed


@pytest.fixture
def trials(runs):
    """Those of the study, as the second search left it."""
    path = str(runs[0] / "optuna.journal")
    backend = optuna.storages.journal.JournalFileBackend(path)
    storage = optuna.storages.JournalStorage(backend)
    return optuna.load_study(study_name="search", storage=storage).trials


def test_a_model_that_is_too_slow_is_not_trained(runs, trials):
    folder, end, _ = runs
    assert trials[0].state == optuna.trial.TrialState.PRUNED
    assert trials[0].user_attrs["latency_ms"] > 1e-6
    assert "none was within --max_latency_ms=1e-06" in end
    assert not (folder / "trial_0.keras").exists()


def test_a_second_start_goes_on(runs, trials):
    folder, _, printed = runs
    assert len(trials) == 2
    assert trials[1].state == optuna.trial.TrialState.COMPLETE
    assert "0 dominated, 1 left out" in printed
    assert (folder / "trial_1.keras").exists()


def test_the_front_is_printed_drawn_and_shipped(runs):
    folder, _, printed = runs
    assert printed.startswith("val_accuracy  latency_ms  size_bytes")
    assert (folder / "front.png").read_bytes().startswith(b"\x89PNG")
    shipped = printed.split("on the test images:\n")[1]
    size = (folder / "trial_1.tflite").stat().st_size
    assert shipped.splitlines()[1].split()[::2][:2] == ["trial_1", f"{size:,}"]
