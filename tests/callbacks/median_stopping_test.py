import copy
import json
import math
import warnings

import keras
import keras_tuner
import numpy as np
import pytest

from keras_eff.callbacks.median_stopping import MedianStopping

GOOD = [0.5, 0.6, 0.7, 0.8]
BAD = [0.1, 0.2, 0.3, 0.4]
OBJECTIVE = keras_tuner.Objective("val_accuracy", "max")


def drive(stopping, model, curve, initial_epoch=0):
    """Trains nothing; the number of epochs that were reported."""
    model.stop_training = False
    stopping.set_model(model)
    stopping.set_params({"epochs": initial_epoch + len(curve)})
    stopping.on_train_begin()
    for epoch, value in enumerate(curve):
        if isinstance(value, BaseException):
            raise value
        stopping.on_epoch_end(initial_epoch + epoch, {"val_accuracy": value})
        if model.stop_training:
            break
    stopping.on_train_end()
    return epoch + 1


class Prescribed(keras_tuner.HyperModel):
    """Trainings that report the curves they are given, one after another."""

    def __init__(self, *curves):
        super().__init__()
        self.curves = list(curves)
        self.lengths = []

    def build(self, hp):
        hp.Int("width", 1, 50)
        return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])

    def fit(self, hp, model, *args, callbacks, **kwargs):
        curve = self.curves[len(self.lengths)]
        (stopping,) = [c for c in callbacks if isinstance(c, MedianStopping)]
        self.lengths.append(drive(stopping, model, curve))
        return {"val_accuracy": np.nanmax(curve[: self.lengths[-1]])}


def make_tuner(path, hypermodel, kind=keras_tuner.RandomSearch, **kwargs):
    kwargs = {"max_trials": len(hypermodel.curves), **kwargs}
    kwargs = {"directory": path, "project_name": "p", "seed": 0, **kwargs}
    return kind(hypermodel, objective=OBJECTIVE, **kwargs)


def search(tuner, min_trials=2, warmup_epochs=1, **kwargs):
    stopping = MedianStopping(
        tuner, min_trials=min_trials, warmup_epochs=warmup_epochs, **kwargs
    )
    tuner.search(callbacks=[stopping], verbose=0)
    return stopping


def statuses(tuner):
    return {trial.status for trial in tuner.oracle.trials.values()}


@pytest.mark.parametrize(
    "kind",
    [
        keras_tuner.RandomSearch,
        keras_tuner.BayesianOptimization,
        keras_tuner.GridSearch,
    ],
)
def test_a_trial_that_falls_behind_is_stopped_completed_and_marked(
    tmp_path, kind
):
    hypermodel = Prescribed(GOOD, GOOD, BAD, GOOD)
    tuner = make_tuner(tmp_path, hypermodel, kind)
    stopping = search(tuner)
    assert hypermodel.lengths == [4, 4, 2, 4]
    assert statuses(tuner) == {"COMPLETED"}
    ((trial_id, (reason,)),) = stopping.stopped_trials().items()
    assert reason["epoch"] == 2 and reason["best"] == 0.2
    assert reason["median"] == pytest.approx(0.55)
    trial = tuner.oracle.trials[trial_id]
    assert trial.message.startswith("MedianStopping stopped trial")
    assert trial.score == pytest.approx(0.2)
    state = tmp_path / "p" / f"trial_{trial_id}" / "trial.json"
    assert json.loads(state.read_text())["message"] == trial.message


def test_real_trainings_of_a_search_are_stopped(tmp_path):
    def build(hp):
        first = keras.layers.Dense(1, use_bias=False)
        model = keras.Sequential([keras.Input((1,)), first])
        model.set_weights([np.full((1, 1), 3.0)])
        rate = hp.Choice("rate", [0.1, 0.09, 0.08, 1e-6])
        model.compile(keras.optimizers.SGD(rate), "mse", run_eagerly=True)
        return model

    tuner = keras_tuner.GridSearch(
        build, "val_loss", directory=tmp_path, project_name="p"
    )
    stopping = MedianStopping(tuner, min_trials=3, warmup_epochs=1)
    x, y = np.ones((4, 1)), np.ones((4, 1))
    tuner.search(
        x, y, epochs=4, validation_data=(x, y), callbacks=[stopping], verbose=0
    )
    (stopped,) = stopping.stopped_trials()
    rate = tuner.oracle.trials[stopped].hyperparameters.get("rate")
    assert rate == 1e-6
    assert tuner.get_best_hyperparameters()[0].get("rate") == 0.1


def test_each_execution_is_a_curve_against_those_of_other_trials(tmp_path):
    # Were the executions of its own trial peers, the fourth would be stopped.
    hypermodel = Prescribed(GOOD, GOOD, GOOD, BAD, BAD, GOOD)
    tuner = make_tuner(
        tmp_path, hypermodel, executions_per_trial=2, max_trials=3
    )
    stopping = search(tuner, min_trials=2)
    assert hypermodel.lengths == [4, 4, 4, 4, 2, 4]
    ((reason,),) = stopping.stopped_trials().values()
    assert reason["execution"] == 0


class InParts(Prescribed):
    """Several `fit` calls in a trial: pairs of a curve and its first epoch."""

    def fit(self, hp, model, *args, callbacks, **kwargs):
        parts = self.curves[len(self.lengths)]
        (stopping,) = [c for c in callbacks if isinstance(c, MedianStopping)]
        lengths = [drive(stopping, model, *part) for part in parts]
        self.lengths.append(lengths)
        return {"val_accuracy": 0.5}


def test_the_fits_of_a_trial_are_compared_with_those_at_their_place(tmp_path):
    # The second fits are all worse than any first one.
    trial = [(GOOD, 0), ([0.3, 0.3, 0.3, 0.3], 0)]
    behind = [(GOOD, 0), (BAD, 0)]
    hypermodel = InParts(trial, trial, trial, behind)
    stopping = search(make_tuner(tmp_path, hypermodel), min_trials=3)
    assert hypermodel.lengths == [[4, 4]] * 3 + [[4, 2]]
    ((reason,),) = stopping.stopped_trials().values()
    assert reason["fit"] == 1 and reason["median"] == pytest.approx(0.3)


def test_executions_of_several_fits_are_counted_apart(tmp_path):
    trial = [(GOOD, 0), (BAD, 0)]
    hypermodel = InParts(*[trial] * 6)
    tuner = make_tuner(tmp_path, hypermodel, executions_per_trial=2)
    stopping = MedianStopping(tuner, min_trials=2, warmup_epochs=1)
    tuner.oracle.max_trials = 3
    tuner.search(callbacks=[stopping], verbose=0)
    assert hypermodel.lengths == [[4, 4]] * 6
    curves = stopping._curves.of("val_accuracy")
    places = {(c.trial, c.execution, c.fit) for c in curves}
    assert len(curves) == len(places) == 12
    assert {c.execution for c in curves} == {c.fit for c in curves} == {0, 1}


def test_a_fit_that_goes_on_goes_on_with_its_curve(tmp_path):
    whole = [([*GOOD, *GOOD], 0)]
    halves = [(GOOD, 0), (GOOD, 4)]
    # Its best value was in the first half.
    ahead = [([0.9, 0.9, 0.9, 0.9], 0), (BAD, 4)]
    hypermodel = InParts(whole, halves, ahead)
    stopping = search(make_tuner(tmp_path, hypermodel))
    assert hypermodel.lengths == [[8], [4, 4], [4, 4]]
    curves = stopping._curves.of("val_accuracy")
    assert [len(curve.values) for curve in curves] == [8, 8, 8]


def test_a_curve_that_begins_late_is_compared_from_there(tmp_path):
    # Were their first epochs counted, the others would have 0.325.
    whole = [([0.0, 0.0, 0.0, 0.0, 0.6, 0.6, 0.6, 0.6], 0)]
    late = [([0.4, 0.4, 0.4, 0.4], 4)]
    hypermodel = InParts(late, late, whole, whole, late)
    stopping = search(make_tuner(tmp_path, hypermodel))
    # Those that begin late say nothing of an epoch before.
    assert hypermodel.lengths == [[4], [4], [8], [8], [1]]
    ((reason,),) = stopping.stopped_trials().values()
    assert reason["median"] == pytest.approx(0.5)


def test_callbacks_that_are_not_passed_on_are_missed(tmp_path):
    class Deaf(Prescribed):
        def fit(self, hp, model, *args, **kwargs):
            return {"val_accuracy": 0.5}

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search(make_tuner(tmp_path, Deaf(GOOD, GOOD)))
    (told,) = [str(w.message) for w in caught if w.category is UserWarning]
    assert "MedianStopping did not see trial" in told


def test_a_search_that_goes_on_uses_the_curves_of_before(tmp_path):
    search(make_tuner(tmp_path, Prescribed(GOOD, GOOD)))
    hypermodel = Prescribed(BAD)
    tuner = make_tuner(tmp_path, hypermodel, max_trials=3)
    stopping = search(tuner)
    assert hypermodel.lengths == [2]
    again = MedianStopping(make_tuner(tmp_path, hypermodel, max_trials=3))
    assert again.stopped_trials() == stopping.stopped_trials()


def test_a_trial_that_is_run_again_replaces_its_old_curve(tmp_path):
    killed = Prescribed(GOOD, GOOD, [0.1, KeyboardInterrupt()])
    with pytest.raises(KeyboardInterrupt):
        search(make_tuner(tmp_path, killed))
    (path,) = (tmp_path / "p" / "learning_curves").iterdir()
    path.write_bytes(path.read_bytes() + b'{"trial": "2", "atte')
    hypermodel = Prescribed(GOOD)
    tuner = make_tuner(tmp_path, hypermodel, max_trials=3)
    stopping = search(tuner)
    assert statuses(tuner) == {"COMPLETED"}
    curves = stopping._curves.of("val_accuracy")
    assert len(curves) == 3
    assert {curve.attempt for curve in curves} == {1, 2}
    assert all(list(curve.values.values()) == GOOD for curve in curves)


def test_workers_read_the_curves_of_one_another(tmp_path, monkeypatch):
    search(make_tuner(tmp_path, Prescribed(GOOD, GOOD)))
    # A second worker, with the oracle of the first.
    first = tmp_path / "p" / "tuner0.json"
    first.with_name("tuner1.json").write_bytes(first.read_bytes())
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "tuner1")
    hypermodel = Prescribed(BAD, GOOD)
    tuner = make_tuner(tmp_path, hypermodel, max_trials=4)
    search(tuner)
    assert hypermodel.lengths == [2, 4]
    assert len(tuner.oracle.trials) == 4
    files = (tmp_path / "p" / "learning_curves").iterdir()
    names = sorted(path.name.split("-")[0] for path in files)
    assert names == ["tuner0", "tuner1"]


def test_hyperband_and_what_derives_from_it_is_refused(tmp_path):
    derived = type("Derived", (keras_tuner.Hyperband,), {})
    tuner = derived(Prescribed(), OBJECTIVE, max_epochs=2, directory=tmp_path)
    with pytest.raises(ValueError, match="it stops trials itself"):
        MedianStopping(tuner)


def test_an_objective_that_is_no_single_value_needs_a_monitor(tmp_path):
    tuner = keras_tuner.RandomSearch(
        Prescribed(GOOD),
        [OBJECTIVE, keras_tuner.Objective("val_loss", "min")],
        directory=tmp_path,
    )
    with pytest.raises(ValueError, match="`monitor` must be given"):
        MedianStopping(tuner)
    assert MedianStopping(tuner, "val_loss").monitor == "val_loss"


def test_a_training_outside_the_search_is_an_error(tmp_path):
    tuner = make_tuner(tmp_path, Prescribed(GOOD))
    with pytest.raises(RuntimeError, match="outside the search"):
        MedianStopping(tuner).on_train_begin()


@pytest.fixture
def lengths_of(tmp_path):
    """The epochs of trainings with given curves that share a directory."""

    def run(*curves, **kwargs):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        settings = {"min_trials": 2, "warmup_epochs": 1, **kwargs}
        stopping = MedianStopping(
            None, "val_accuracy", "max", directory=tmp_path, **settings
        )
        lengths = [drive(copy.deepcopy(stopping), model, c) for c in curves]
        return lengths, stopping.stopped_trials()

    return run


@pytest.mark.parametrize(
    ("kwargs", "length"),
    [
        ({}, 2),
        ({"min_trials": 3}, 4),
        ({"warmup_epochs": 0}, 1),
        ({"warmup_epochs": 2}, 3),
        ({"warmup_epochs": 3}, 4),
        ({"min_delta": 0.34}, 2),
        ({"min_delta": 0.36}, 4),
    ],
)
def test_each_setting_says_when_to_stop(lengths_of, kwargs, length):
    lengths, stopped = lengths_of(GOOD, GOOD, BAD, **kwargs)
    assert lengths == [4, 4, length]
    assert len(stopped) == (length < 4)


def test_decisions_are_an_interval_of_epochs_apart(lengths_of):
    late = [0.6, 0.6, 0.1, 0.1, 0.1, 0.1]
    high = [0.5, 0.5, 0.6, 0.9, 0.9, 0.9]
    lengths, _ = lengths_of(high, high, late, interval=1)
    assert lengths[2] == 4
    lengths, _ = lengths_of(late, interval=3)
    assert lengths == [5]


def test_nothing_is_stopped_in_the_last_epoch(lengths_of):
    lengths, stopped = lengths_of([0.9, 0.9], [0.9, 0.9], [0.1, 0.1])
    assert lengths == [2, 2, 2] and not stopped


def test_a_dry_run_records_the_first_time_it_would_have_stopped(lengths_of):
    lengths, stopped = lengths_of(GOOD, GOOD, BAD, dry_run=True)
    assert lengths == [4, 4, 4]
    ((reason,),) = stopped.values()
    assert reason["epoch"] == 2 and reason["dry_run"] is True


def test_a_curve_with_a_nan_is_stopped_and_counts_as_worst(lengths_of):
    lengths, stopped = lengths_of(GOOD, GOOD, [0.9, math.nan, 0.9, 0.9])
    assert lengths == [4, 4, 2]
    ((reason,),) = stopped.values()
    assert reason["best"] == -math.inf
    # Of two good and three diverged curves the median is the worst.
    nan = [math.nan, 0.9]
    lengths, _ = lengths_of(nan, nan, [0.0, 0.0, 0.0, 0.0])
    assert lengths == [2, 2, 4]


def fit(stopping, rate, metric="mse", **kwargs):
    layer = keras.layers.Dense(1, use_bias=False)
    model = keras.Sequential([keras.Input((1,)), layer])
    model.set_weights([np.full((1, 1), 3.0)])
    model.compile(keras.optimizers.SGD(rate), "mse", metrics=[metric])
    x, y = np.ones((4, 1)), np.ones((4, 1))
    kwargs = {"epochs": 3, "validation_data": (x, y), "verbose": 0, **kwargs}
    return model.fit(x, y, callbacks=[stopping], **kwargs)


def test_trainings_that_share_a_directory_are_each_others_trials(tmp_path):
    stopping = MedianStopping(min_trials=1, warmup_epochs=1, directory=tmp_path)
    assert len(fit(stopping, 0.1).epoch) == 3
    other = MedianStopping(min_trials=1, warmup_epochs=1, directory=tmp_path)
    assert len(fit(other, 1e-6).epoch) == 2
    assert len(stopping.stopped_trials()) == 1


@pytest.mark.parametrize(
    ("metric", "mode"), [("mse", "min"), ("binary_accuracy", "max")]
)
def test_the_direction_is_the_one_keras_infers(tmp_path, metric, mode):
    stopping = MedianStopping(None, f"val_{metric}", directory=tmp_path)
    fit(stopping, 0.1, metric, epochs=1)
    assert stopping.mode == mode


def test_epochs_without_validation_are_passed_over(tmp_path):
    stopping = MedianStopping(directory=tmp_path)
    fit(stopping, 0.1, epochs=4, validation_freq=2)
    (curve,) = stopping._curves.of("val_loss")
    assert list(curve.values) == [2, 4]


@pytest.mark.parametrize("kwargs", [{}, {"validation_data": None}])
def test_a_value_that_is_not_reported_is_an_error(tmp_path, kwargs):
    stopping = MedianStopping(None, "val_nothing", directory=tmp_path)
    with pytest.raises(ValueError, match="must be a value that training repor"):
        fit(stopping, 0.1, **kwargs)


def test_without_a_tuner_a_directory_is_needed():
    with pytest.raises(ValueError, match="`directory` must be a path"):
        MedianStopping()


@pytest.mark.parametrize(
    "kwargs",
    [
        {"min_trials": 0},
        {"warmup_epochs": -1},
        {"interval": 0},
        {"min_delta": -1.0},
    ],
    ids=["min_trials", "warmup_epochs", "interval", "min_delta"],
)
def test_a_setting_out_of_range_is_refused_at_once(tmp_path, kwargs):
    (name,) = kwargs
    with pytest.raises(ValueError, match=f"Argument `{name}` must be"):
        MedianStopping(directory=tmp_path, **kwargs)
