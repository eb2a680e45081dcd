"""The search of `search_architecture.py` with Ray Tune.

The models and their costs are the same; Ray Tune samples at random, and stops.
A model that would be too slow in 8-bit integers is not trained
(`--max_latency_ms`), and one that learns worse than most is stopped by
`MedianStoppingRule`. Its rule is nearly `keras_eff.callbacks.MedianStopping`:
the best value so far is compared with the median of the others' running means,
stopped and running trials included. The means begin where the decisions begin,
not in the first epoch, so that it stops more, and it also stops in the last.

Each trial is a process. An interrupted search goes on where it was, each trial
after its last whole epoch; how many there are is fixed when it begins.

    python examples/search_with_ray.py
    python examples/search_with_ray.py --workers=4
"""

import math
import os
import pathlib
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Ray Tune would go on after Ctrl-C, with trials that are not finished.
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")

import keras
import ray
from absl import app
from absl import flags
from ray.tune import Checkpoint
from ray.tune import CheckpointConfig
from ray.tune import RunConfig
from ray.tune import TuneConfig
from ray.tune import Tuner
from ray.tune import choice
from ray.tune import get_checkpoint
from ray.tune import loguniform
from ray.tune import report
from ray.tune import uniform
from ray.tune import with_parameters
from ray.tune.schedulers import MedianStoppingRule
from ray.tune.search import BasicVariantGenerator

from keras_eff.tuning import measure_trial
from support import search_classifiers as search

_WORKERS = flags.DEFINE_integer("workers", 1, "Trials at a time.", 1)


class HyperParameters:
    """A configuration of Ray Tune, asked as keras-tuner's `hp`.

    What it is asked for and does not have becomes part of `space`.
    """

    def __init__(self, config):
        self.config = config
        self.space = {}

    def Choice(self, name, values, **_):
        return self._value(name, choice(values))

    def Float(self, name, low, high, sampling="linear"):
        is_log = sampling == "log"
        return self._value(name, (uniform, loguniform)[is_log](low, high))

    def _value(self, name, domain):
        if name not in self.config:
            self.space[name] = domain
            return domain.sample()
        return self.config[name]


class Report(keras.callbacks.Callback):
    """Reports each epoch, with the model, from which a trial can go on."""

    def __init__(self, cost):
        super().__init__()
        self.cost = cost

    def on_epoch_end(self, epoch, logs=None):
        figures = {"val_accuracy": logs["val_accuracy"], **self.cost}
        with tempfile.TemporaryDirectory() as folder:
            self.model.save(pathlib.Path(folder) / f"{epoch + 1}.keras")
            report(figures, checkpoint=Checkpoint(folder))


def load_checkpoint(checkpoint):
    """The model of a checkpoint, and the epochs that it was trained."""
    with checkpoint.as_directory() as folder:
        (path,) = pathlib.Path(folder).glob("*.keras")
        return keras.models.load_model(path), int(path.stem)


def train(config, data, epochs, max_latency_ms, cache):
    """One trial, in a process of its own, where no flag is parsed."""
    model = search.build_classifier(HyperParameters(config), data)
    cost = measure_trial(model, data.train[0], quantize="int8", cache=cache)
    if cost["latency_ms"] > max_latency_ms:
        # Ray Tune wants the metric of each report; NaN counts nowhere.
        report({"val_accuracy": math.nan, **cost})
        return
    first_epoch = 0
    if checkpoint := get_checkpoint():
        model, first_epoch = load_checkpoint(checkpoint)
    model.fit(
        *data.train,
        batch_size=search.BATCH_SIZE,
        initial_epoch=first_epoch,
        epochs=epochs,
        validation_data=data.validation,
        callbacks=[Report(cost)],
        verbose=0,
    )


def make_tuner(trainable, data, folder):
    path = folder / "ray"
    if Tuner.can_restore(path):
        return Tuner.restore(str(path), trainable)
    asked = HyperParameters({})
    search.build_classifier(asked, data)
    stopping = MedianStoppingRule(
        "training_iteration",
        min_samples_required=search.MIN_TRIALS,
        grace_period=search.FIRST_EPOCHS + 1,
        # No trial waits for others to be as far.
        min_time_slice=math.inf,
    )
    return Tuner(
        trainable,
        param_space=asked.space,
        tune_config=TuneConfig(
            metric="val_accuracy",
            mode="max",
            num_samples=search.MAX_TRIALS.value,
            scheduler=stopping,
            search_alg=BasicVariantGenerator(random_state=search.SEED.value),
        ),
        run_config=RunConfig(
            name=path.name,
            storage_path=str(folder),
            checkpoint_config=CheckpointConfig(
                num_to_keep=1, checkpoint_score_attribute="val_accuracy"
            ),
        ),
    )


def trial_row(result):
    cost = ("latency_ms", "size_bytes", "gzip_bytes", "num_parameters")
    return {
        "trial_id": result.metrics["trial_id"],
        "val_accuracy": result.metrics_dataframe["val_accuracy"].max(),
        **{name: result.metrics[name] for name in cost},
        "hyperparameters": result.config,
    }


def main(_):
    data, folder = search.start()
    trainable = with_parameters(
        train,
        data=data,
        epochs=search.EPOCHS.value,
        max_latency_ms=search.MAX_LATENCY_MS.value,
        cache=folder / "measured",
    )
    ray.init(
        num_cpus=_WORKERS.value, include_dashboard=False, log_to_driver=False
    )
    results = make_tuner(trainable, data, folder).fit()
    ray.shutdown()
    if results.num_errors == len(results):
        raise results.errors[0]
    by_id = {r.metrics["trial_id"]: r for r in results if not r.error}
    rows = [trial_row(result) for result in by_id.values()]

    def load_model(row):
        best = by_id[row["trial_id"]].get_best_checkpoint("val_accuracy", "max")
        return load_checkpoint(best)[0]

    search.ship_front(rows, load_model, data, folder)


if __name__ == "__main__":
    app.run(main)
