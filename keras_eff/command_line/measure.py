"""keras-eff measure: how fast files run on devices."""

import pathlib
from collections.abc import Iterator

from absl import flags as absl_flags

import keras_eff
from keras_eff.command_line.command import Command
from keras_eff.command_line.measured_rows import csv_lines
from keras_eff.command_line.measured_rows import describe
from keras_eff.command_line.measured_rows import failed_row
from keras_eff.command_line.measured_rows import measured_row
from keras_eff.command_line.runners import define_runner_flags
from keras_eff.command_line.runners import make_runners
from keras_eff.command_line.shapes import define_input_shapes
from keras_eff.command_line.shapes import given_shapes
from keras_eff.command_line.table import format_json
from keras_eff.messages import announce
from keras_eff.messages import tell
from keras_eff.messages import without_warnings

_FAILURES = (ValueError, OSError, RuntimeError)


def _define_flags(flags):
    define_runner_flags(flags)
    define_input_shapes(flags)
    absl_flags.DEFINE_integer(
        "num_threads", 1, "Threads of the runtime.", 1, flag_values=flags
    )
    absl_flags.DEFINE_integer(
        "num_runs", 50, "Runs to time.", 1, flag_values=flags
    )
    absl_flags.DEFINE_boolean(
        "json",
        False,
        "Print a JSON list with an object for each file and device, with the "
        "operators.",
        flag_values=flags,
    )
    absl_flags.DEFINE_boolean(
        "csv",
        False,
        "Print CSV, a row for each file and device.",
        flag_values=flags,
    )
    absl_flags.mark_bool_flags_as_mutual_exclusive(
        ["json", "csv"], flag_values=flags
    )


def _run(flags, paths):
    for path in paths:
        if not pathlib.Path(path).is_file():
            raise FileNotFoundError(f"measure: there is no file {path}")
    # Before the work: read again for each file, whose row holds its errors.
    given_shapes(flags)
    rows = []
    for row in _measure_each(flags, paths, make_runners(flags)):
        if flags.csv:
            # At once: whoever interrupts it has the rows so far.
            print(csv_lines([row], has_header=not rows), end="", flush=True)
        rows.append(row)
    if flags.json:
        print(format_json(rows))
    elif not flags.csv:
        print(describe(rows))
    return 1 if any(row["error"] for row in rows) else 0


def _measure_each(flags, paths, runners) -> Iterator[dict]:
    """Yields a row for each file and device."""
    jobs = [(path, *runner) for path in paths for runner in runners.items()]
    for number, (path, device, runner) in enumerate(jobs, 1):
        place = f"{path} on {device}" if device else path
        text = f"measuring {number} of {len(jobs)}: {place}"
        with announce(text), without_warnings():
            row = _measure(flags, path, device, runner)
        for warning in row["warnings"] or ():
            tell(f"warning: {place}: {warning}")
        if row["error"]:
            tell(f"error: {place}: {row['error']}")
        yield row


def _measure(flags, path, device, runner):
    try:
        latency = keras_eff.latency.measure(
            path,
            flags.num_threads,
            flags.num_runs,
            runner,
            **given_shapes(flags),
        )
    except _FAILURES as error:
        return failed_row(path, device, error)
    return measured_row(path, latency)


COMMAND = Command(
    name="measure",
    operands=("FILE.tflite...",),
    summary="Measure how fast files run, on this machine or on devices.",
    details=(
        "Times are those of single runs, in milliseconds; the headline is the "
        "median. init is the time to load a file, peak the memory that it "
        "took. A file that cannot be measured is a row with its error; the "
        "others are measured all the same, and the exit code is 1."
    ),
    examples=(
        "keras-eff measure a.tflite b.tflite",
        "keras-eff measure --num_threads=4 --csv *.tflite > latency.csv",
        "keras-eff measure model.tflite --runner=android --serial=all",
        "keras-eff measure model.tflite --runner=remote --host=pi@raspberrypi "
        "--binary=linux_aarch64_benchmark_model --profile_ops",
    ),
    define_flags=_define_flags,
    run=_run,
)
