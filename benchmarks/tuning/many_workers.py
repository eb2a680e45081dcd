"""Whether a search of many processes survives what happens to them.

A chief and its workers search: undisturbed, with one worker killed in the
middle of a trial, and with all ended there and the same command given again.
Then this process reads the trials back: from their files, and with a tuner of
its own, which must find nothing left to run.
"""

import collections
import contextlib
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

from benchmarks.tuning.many_workers_search import make_tuner
from keras_eff.tuning.read_trials import read_trials

flags.DEFINE_integer("workers", 3, "Workers, beside the chief.")
FLAGS = flags.FLAGS

_SCRIPT = pathlib.Path(__file__).with_name("many_workers_search.py")
# A script of a folder imports what all benchmarks share.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(_SCRIPT.parents[2])}
_COLUMNS = (
    *("case", "exit codes", "seconds", "trials", "completed"),
    *("begun twice", "ended twice", "read back by a tuner", "run again"),
    "processes left",
)


def events(folder):
    """Tuples of "begin" or "end", the trial, the worker and its process."""
    path = folder / "events"
    lines = path.read_text().splitlines() if path.exists() else []
    return [tuple(line.split()) for line in lines]


def start(folder, script=_SCRIPT, *arguments):
    argv = [sys.executable, "-m", "keras_eff", "launch"]
    argv += [
        f"--workers={FLAGS.workers}",
        f"--project_dir={folder / 'project'}",
    ]
    arguments = arguments or [folder]
    argv += map(str, (script, *arguments))
    return subprocess.Popen(argv, env=ENVIRONMENT)


def wait_for_a_trial_of_the_last_worker(folder, number=1):
    """Returns the worker's process, in a trial, its so many'th or later."""
    name = f"tuner{FLAGS.workers - 1}"
    while True:
        own = [event for event in events(folder) if event[2] == name]
        begun = sum(event[0] == "begin" for event in own)
        if begun >= number and own[-1][0] == "begin":
            return int(own[-1][3])
        time.sleep(0.05)


def undisturbed(folder):
    return [start(folder).wait()]


def worker_killed(folder):
    launched = start(folder)
    os.kill(wait_for_a_trial_of_the_last_worker(folder), signal.SIGKILL)
    return [launched.wait()]


def ended_and_resumed(folder):
    launched = start(folder)
    wait_for_a_trial_of_the_last_worker(folder)
    launched.send_signal(signal.SIGINT)
    return [launched.wait(), start(folder).wait()]


def is_running(process):
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, 0)
        return True
    return False


def repeated(seen, kind):
    counts = collections.Counter(x[1] for x in seen if x[0] == kind)
    return sum(count > 1 for count in counts.values())


def row(case, folder):
    begin = time.perf_counter()
    codes = case(folder)
    seconds = time.perf_counter() - begin
    seen = events(folder)
    trials = read_trials(folder / "project")
    with contextlib.redirect_stdout(sys.stderr):
        tuner = make_tuner(str(folder))
        read_back = len(tuner.oracle.get_best_trials(len(trials) + 1))
        tuner.search()
    return (
        case.__name__.replace("_", " "),
        ", ".join(map(str, codes)),
        f"{seconds:.0f}",
        len(trials),
        sum(trial["status"] == "COMPLETED" for trial in trials),
        repeated(seen, "begin"),
        repeated(seen, "end"),
        read_back,
        len(events(folder)) - len(seen),
        sum(is_running(int(process)) for process in {x[3] for x in seen}),
    )


def main(_):
    print("| " + " | ".join(_COLUMNS) + " |")
    print("|---" * len(_COLUMNS) + "|")
    for case in (undisturbed, worker_killed, ended_and_resumed):
        with tempfile.TemporaryDirectory() as name:
            cells = row(case, pathlib.Path(name))
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    app.run(main)
