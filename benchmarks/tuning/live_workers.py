"""Whether a search of a chief and workers survives with `MedianStopping`.

The search of live_search.py, by a chief and workers of `keras-eff launch`, of
which one is killed (SIGKILL) in the middle of a trial.

    python -m benchmarks.tuning.live_workers
"""

import contextlib
import os
import pathlib
import signal
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app
from absl import flags

from benchmarks.support.rows import append
from benchmarks.support.rows import read
from benchmarks.tuning import live_search
from benchmarks.tuning import live_search_trials
from benchmarks.tuning.many_workers import events
from benchmarks.tuning.many_workers import is_running
from benchmarks.tuning.many_workers import repeated
from benchmarks.tuning.many_workers import start
from benchmarks.tuning.many_workers import wait_for_a_trial_of_the_last_worker
from keras_eff.tuning import pareto_front

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "worker_rows", "benchmarks/tuning/live_workers.jsonl", "Results."
)
flags.DEFINE_integer("killed_trial", 3, "Trial of its own in which it dies.")


def search(folder):
    """Runs the search and kills a worker: its row."""
    begin = time.perf_counter()
    launched = start(folder, live_search.SCRIPT, f"--directory={folder}")
    killed = wait_for_a_trial_of_the_last_worker(folder, FLAGS.killed_trial)
    os.kill(killed, signal.SIGKILL)
    code = launched.wait()
    seconds = time.perf_counter() - begin
    seen = events(folder)
    counts = live_search.stop_counts(folder)
    with contextlib.redirect_stdout(sys.stderr):
        tuner = live_search_trials.make_tuner(str(folder))
    front = pareto_front(tuner, ("val_accuracy",), ("num_parameters",))
    found = live_search.result(folder)
    return {
        "exit_code": code,
        "seconds": round(seconds, 1),
        "processes_that_trained": len({event[3] for event in seen}),
        "begun_twice": repeated(seen, "begin"),
        "ended_twice": repeated(seen, "end"),
        "processes_left": sum(is_running(int(x)) for x in {e[3] for e in seen}),
        "rows_of_the_front": len(front.rows),
        "rows_read_back": len(front.rows) + len(front.dominated),
        **counts,
        **found,
    }


def main(_):
    path = pathlib.Path(FLAGS.worker_rows)
    if not read(path):
        with tempfile.TemporaryDirectory() as name:
            append(path, search(pathlib.Path(name)))
    live_search.print_counts(read(path)[0])


if __name__ == "__main__":
    app.run(main)
