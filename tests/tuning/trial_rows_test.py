import keras
import keras_tuner
import pytest

from keras_eff.tuning.pareto_front import pareto_front
from keras_eff.tuning.trial_rows import trial_rows


class Model(keras_tuner.HyperModel):
    """Takes no training: its figures are functions of its width."""

    def build(self, hp):
        hp.Int("width", 1, 4)
        return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])

    def fit(self, hp, model, *args, **kwargs):
        width = hp.get("width")
        if width == 3:
            raise keras_tuner.errors.FailedTrialError("too wide")
        accuracy = float("nan") if width == 4 else width / 4
        return {"score": width, "accuracy": accuracy, "latency_ms": width**2}


@pytest.fixture(scope="module")
def tuner(tmp_path_factory):
    tuner = keras_tuner.GridSearch(
        Model(),
        objective=keras_tuner.Objective("score", "max"),
        directory=tmp_path_factory.mktemp("search"),
        max_consecutive_failed_trials=9,
    )
    tuner.search(verbose=0)
    return tuner


@pytest.fixture
def read(tuner):
    return sorted(trial_rows(tuner), key=lambda row: row["trial_id"])


def test_completed_trials_are_rows_with_their_metrics(read):
    assert read[1] == {
        "trial_id": "0001",
        "status": "COMPLETED",
        "score": 2.0,
        "accuracy": 0.5,
        "latency_ms": 4.0,
        "hyperparameters": {"width": 2},
    }


def test_failed_trials_are_rows_without_metrics(read):
    assert read[2]["status"] == "FAILED" and "accuracy" not in read[2]


def test_an_oracle_gives_the_rows_of_its_tuner(tuner):
    assert repr(trial_rows(tuner.oracle)) == repr(trial_rows(tuner))


def test_the_front_of_a_tuner_leaves_out_failed_trials_and_nan(tuner):
    front = pareto_front(tuner, minimize=["latency_ms"])
    widths = [row["hyperparameters"]["width"] for row in front.rows]
    assert widths == [2, 1] and front.num_left_out == 2
    assert "width=2" in str(front)


def test_metrics_are_those_of_the_best_step():
    hyperparameters = keras_tuner.HyperParameters()
    trial = keras_tuner.engine.trial.Trial(hyperparameters, status="COMPLETED")
    for step, value in enumerate([0.1, 0.9, 0.2]):
        trial.metrics.update("accuracy", value, step=step)
        trial.metrics.update("loss", value, step=2 * step)
    trial.best_step = 1

    class Oracle:
        trials = {"0": trial}

    [row] = trial_rows(Oracle())
    # The loss was not seen at step 1.
    assert (row["accuracy"], row["loss"]) == (0.9, 0.2)


def test_something_without_trials_is_an_error():
    with pytest.raises(TypeError, match="TUNER_ID=chief.*Received: builtins."):
        trial_rows(3)
