"""What `MedianStopping` saves and loses in a search that trains.

For each seed a random search runs twice, side by side: with `MedianStopping`,
and as a control that trains everything (`dry_run`). Both train the same
configurations, in the same order, from the same weights and on the same
batches. The model is chosen by its validation accuracy; its test accuracy is
looked at here alone. Then a search whose process is killed (SIGKILL) in the
middle of a trial, and started again. Rows that exist are not made again.

    python -m benchmarks.tuning.live_search
"""

import collections
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app
from absl import flags

from benchmarks.support.data import mnist5k
from benchmarks.support.rows import append
from benchmarks.support.rows import read
from benchmarks.tuning import live_search_trials
from benchmarks.tuning.many_workers import ENVIRONMENT
from benchmarks.tuning.many_workers import events
from benchmarks.tuning.many_workers import repeated
from keras_eff.tuning.median_stopping import median_rule
from keras_eff.tuning.median_stopping.learning_curves import LearningCurves
from keras_eff.tuning.read_trials import read_trials

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "live_rows", "benchmarks/tuning/live_search.jsonl", "Results."
)
flags.DEFINE_integer("seeds", 3, "Seeds of the searches.")
flags.DEFINE_integer("killed_in", 12, "Trial in which a search is killed.")

SCRIPT = str(pathlib.Path(__file__).with_name("live_search_trials.py"))
_MIN_TRIALS = 5


def start(folder, *arguments):
    """A search in a process of its own."""
    argv = [sys.executable, SCRIPT, f"--directory={folder}", *arguments]
    return subprocess.Popen(
        argv, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )


def seconds_of(process):
    """Waits: elapsed seconds, and those of processors."""
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"A search failed: {process.args}")
    elapsed, processor = map(float, output.splitlines()[-1].split())
    return {"seconds": round(elapsed, 1), "cpu_seconds": round(processor, 1)}


def curves(folder):
    """Curves by trial, in the order of the trials."""
    directory = folder / live_search_trials.PROJECT / "learning_curves"
    found = LearningCurves(directory).of("val_accuracy")
    return {x.trial: x for x in sorted(found, key=lambda x: x.trial)}


def test_accuracy(folder, trial_id):
    with contextlib.redirect_stdout(sys.stderr):
        tuner = live_search_trials.make_tuner(str(folder))
        model = tuner.load_model(tuner.oracle.get_trial(trial_id))
    return model.evaluate(*mnist5k()[2], verbose=0, return_dict=True)[
        "accuracy"
    ]


def result(folder):
    """What a search has done, by its files."""
    trials = read_trials(folder / live_search_trials.PROJECT)
    best = max(trials, key=lambda trial: trial["score"])
    by_trial = curves(folder)
    return {
        "trials": len(trials),
        "completed": sum(trial["status"] == "COMPLETED" for trial in trials),
        "stopped": sum(x.stopped is not None for x in by_trial.values()),
        "epochs": sum(len(curve.values) for curve in by_trial.values()),
        "val_accuracy": round(best["score"], 4),
        "test_accuracy": round(test_accuracy(folder, best["trial_id"]), 4),
        "hyperparameters": [trial["hyperparameters"] for trial in trials],
        "curves": [
            [round(value, 4) for value in curve.values.values()]
            for curve in by_trial.values()
        ],
    }


def seeds():
    """keras-tuner takes a seed of 0 for none."""
    return range(1, FLAGS.seeds + 1)


def compare(seed, path):
    """Appends the rows of one seed, if they are not there."""
    cases = {"stopping": False, "control": True}
    known = {(row["case"], row.get("seed")) for row in read(path)}
    if {(case, seed) for case in cases} <= known:
        return
    with tempfile.TemporaryDirectory() as name:
        running = {
            case: start(
                pathlib.Path(name) / case,
                f"--search_seed={seed}",
                f"--dry_run={is_dry}",
            )
            for case, is_dry in cases.items()
        }
        for case, process in running.items():
            spent = seconds_of(process)
            found = result(pathlib.Path(name) / case)
            append(path, {"case": case, "seed": seed, **spent, **found})


def stops(folder):
    """The peers that each stop had in its own process.

    Returns:
        A pair for each stop: how many curves that its process had written
        reached the epoch, and whether their median is the one that counted.
    """
    found = []
    directory = folder / live_search_trials.PROJECT / "learning_curves"
    for path in directory.glob("*.jsonl"):
        own = collections.defaultdict(dict)
        for record in map(json.loads, path.read_text().splitlines()):
            if "epoch" in record:
                own[record["trial"]][record["epoch"]] = record["value"]
            if "stopped" in record:
                found.append(_own_peers(own, record["trial"], record))
    return found


def _own_peers(own, trial, record):
    reason = record["stopped"]
    peers = [x for name, x in own.items() if name != trial]
    reached = [x for x in peers if max(x) >= reason["epoch"]]
    median = median_rule.median_of_averages(reached, reason["epoch"], "max")
    return len(reached), median == reason["median"]


def stop_counts(folder):
    """Stops, and those that other processes' curves had a part in."""
    of_all = stops(folder)
    return {
        "stops": len(of_all),
        "by_curves_of_others_too": sum(not is_own for _, is_own in of_all),
        "own_curves_too_few": sum(n < _MIN_TRIALS for n, _ in of_all),
    }


def wait_for_trial(process, folder, trials):
    """Returns when a process is in the middle of its so many'th trial."""
    while process.poll() is None:
        seen = events(folder)
        begun = [event for event in seen if event[0] == "begin"]
        if len(begun) >= trials and seen[-1][0] == "begin":
            time.sleep(1.0)
            return
        time.sleep(0.05)
    raise RuntimeError("The search ended before it could be killed")


def killed(folder):
    """Kills a search, starts it again, and counts."""
    process = start(folder)
    wait_for_trial(process, folder, FLAGS.killed_in)
    process.send_signal(signal.SIGKILL)
    process.wait()
    seen = events(folder)
    project = folder / live_search_trials.PROJECT
    before = {
        trial["trial_id"]: trial
        for trial in read_trials(project)
        if trial["status"] == "COMPLETED"
    }
    seconds_of(start(folder))
    after = {trial["trial_id"]: trial for trial in read_trials(project)}
    now = events(folder)
    return {
        "ended_before_kill": sum(event[0] == "end" for event in seen),
        "kept": sum(after[name] == trial for name, trial in before.items()),
        "begun_twice": repeated(now, "begin"),
        "ended_twice": repeated(now, "end"),
        **stop_counts(folder),
        **result(folder),
    }


def print_table(rows):
    columns = (
        *("seed", "epochs", "of the control's", "trials stopped"),
        *("seconds", "processor seconds", "best validation accuracy"),
        *("its test accuracy", "curves equal to the control's"),
    )
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for seed in seeds():
        ours, control = (
            next(x for x in rows if x["case"] == c and x["seed"] == seed)
            for c in ("stopping", "control")
        )
        # Else the two would not have searched the same.
        assert ours["hyperparameters"] == control["hyperparameters"]
        print(f"| {seed} | {' | '.join(cells(ours, control))} |")


def cells(ours, control):
    pairs = zip(ours["curves"], control["curves"], strict=True)
    equal = sum(own == whole[: len(own)] for own, whole in pairs)
    share = ours["epochs"] / control["epochs"]
    names = ("seconds", "cpu_seconds", "val_accuracy", "test_accuracy")
    return (
        f"{ours['epochs']} / {control['epochs']}",
        f"{share:.3f}",
        f"{ours['stopped']} of {ours['trials']}",
        *(f"{ours[name]} / {control[name]}" for name in names),
        f"{equal} of {ours['trials']}",
    )


def print_counts(row, left_out=("hyperparameters", "curves")):
    shown = {key: value for key, value in row.items() if key not in left_out}
    print("\n| what | count |\n|---|---|")
    for key, value in shown.items():
        print(f"| {key.replace('_', ' ')} | {value} |")


def main(_):
    path = pathlib.Path(FLAGS.live_rows)
    for seed in seeds():
        compare(seed, path)
    if all(row["case"] != "killed" for row in read(path)):
        with tempfile.TemporaryDirectory() as name:
            append(path, {"case": "killed", **killed(pathlib.Path(name))})
    rows = read(path)
    print_table(rows)
    print_counts(next(row for row in rows if row["case"] == "killed"))


if __name__ == "__main__":
    app.run(main)
