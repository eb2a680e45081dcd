"""The search of `search_architecture.py` with Optuna.

The models and their costs are the same; Optuna samples and stops. A model that
would be too slow in 8-bit integers is pruned before it is trained
(`--max_latency_ms`), and one that learns worse than most is pruned by
`MedianPruner`. Its rule is not quite `keras_eff.callbacks.MedianStopping`: the
best value so far is compared with the median of the others' values at that
epoch, not of their running averages, so that it prunes more; and the others are
the completed trials only, neither pruned nor running ones.

The study is a file in `--out_dir`. An interrupted search goes on where it was:
the trial that was being trained is not counted, another takes its place.
Several processes may share it, each with a `--seed` of its own.

    python examples/search_with_optuna.py
    python examples/search_with_optuna.py --dataset=cifar10 --seed=1
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import optuna
from absl import app
from optuna.storages import journal

from keras_eff.tuning import measure_trial
from support import search_classifiers as search

_FINISHED = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)


class HyperParameters:
    """An Optuna trial, asked as keras-tuner's `hp`."""

    def __init__(self, trial):
        self.trial = trial

    def Choice(self, name, values, **_):
        # Optuna has no order among choices, and needs no default.
        return self.trial.suggest_categorical(name, values)

    def Float(self, name, low, high, step=None, sampling="linear"):
        is_log = sampling == "log"
        return self.trial.suggest_float(name, low, high, step=step, log=is_log)


class Pruning(keras.callbacks.Callback):
    """Stops a training when Optuna would prune it."""

    def __init__(self, trial):
        super().__init__()
        self.trial = trial
        self.is_pruned = False

    def on_epoch_end(self, epoch, logs=None):
        self.trial.report(logs["val_accuracy"], step=epoch)
        # After the last epoch there is nothing left to save.
        if epoch + 1 < self.params["epochs"]:
            self.is_pruned = self.trial.should_prune()
            self.model.stop_training = self.is_pruned


def objective(trial, data, folder):
    model = search.build_classifier(HyperParameters(trial), data)
    cost = measure_trial(
        model, data.train[0], quantize="int8", cache=folder / "measured"
    )
    for name, figure in cost.items():
        trial.set_user_attr(name, figure)
    if cost["latency_ms"] > search.MAX_LATENCY_MS.value:
        raise optuna.TrialPruned(f"too slow: {cost['latency_ms']:.4f} ms")
    pruning = Pruning(trial)
    best = keras.callbacks.ModelCheckpoint(
        folder / f"trial_{trial.number}.keras",
        "val_accuracy",
        mode="max",
        save_best_only=True,
    )
    history = model.fit(
        *data.train,
        batch_size=search.BATCH_SIZE,
        epochs=search.EPOCHS.value,
        validation_data=data.validation,
        callbacks=[pruning, best],
        verbose=0,
    ).history
    if pruning.is_pruned:
        raise optuna.TrialPruned()
    return max(history["val_accuracy"])


def run_search(data, folder):
    backend = journal.JournalFileBackend(str(folder / "optuna.journal"))
    study = optuna.create_study(
        study_name="search",
        storage=optuna.storages.JournalStorage(backend),
        direction="maximize",
        # Steps are counted from 0: the first decision is after epoch 4.
        pruner=optuna.pruners.MedianPruner(
            n_startup_trials=search.MIN_TRIALS,
            n_warmup_steps=search.FIRST_EPOCHS,
        ),
        load_if_exists=True,
    )
    # One that went on with the seed it began with would repeat its choices.
    seed = 1000 * search.SEED.value + len(study.trials)
    study.sampler = optuna.samplers.TPESampler(seed=seed)
    num_left = search.MAX_TRIALS.value - len(study.get_trials(states=_FINISHED))
    if num_left > 0:
        study.optimize(
            lambda trial: objective(trial, data, folder),
            callbacks=[
                optuna.study.MaxTrialsCallback(
                    search.MAX_TRIALS.value, states=_FINISHED
                )
            ],
        )
    return study


def trial_row(trial):
    # Also a pruned trial has a best epoch, and may be on the front.
    values = trial.intermediate_values.values()
    return {
        "trial_id": trial.number,
        "val_accuracy": max(values, default=None),
        **trial.user_attrs,
        "hyperparameters": trial.params,
    }


def main(_):
    data, folder = search.start()
    study = run_search(data, folder)

    def load_model(row):
        return keras.models.load_model(
            folder / f"trial_{row['trial_id']}.keras"
        )

    rows = [trial_row(trial) for trial in study.get_trials(states=_FINISHED)]
    search.ship_front(rows, load_model, data, folder)


if __name__ == "__main__":
    app.run(main)
