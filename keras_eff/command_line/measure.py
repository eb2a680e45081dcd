import pathlib
from collections.abc import Iterator

import click

import keras_eff
from keras_eff.command_line.measured_rows import csv_lines
from keras_eff.command_line.measured_rows import describe
from keras_eff.command_line.measured_rows import failed_row
from keras_eff.command_line.measured_rows import measured_row
from keras_eff.command_line.options import input_shapes_option
from keras_eff.command_line.options import json_option
from keras_eff.command_line.runners import make_runners
from keras_eff.command_line.runners import runner_options
from keras_eff.command_line.table import format_json
from keras_eff.messages import announce
from keras_eff.messages import tell
from keras_eff.messages import without_warnings
from keras_eff.program import CHECK_FAILED

_FAILURES = (ValueError, OSError, RuntimeError)


@click.command()
@click.argument("paths", metavar="FILE.tflite...", nargs=-1, required=True)
@runner_options
@input_shapes_option
@click.option(
    "--num_threads",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Threads of the runtime.",
)
@click.option(
    "--num_runs",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="Runs to time.",
)
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def measure(
    paths, as_json, as_csv, num_threads, num_runs, input_shapes, **options
):
    """Measure how fast files run, on this machine or on devices.

    Times are those of single runs, in milliseconds; the headline is the
    median. init is the time to load a file, peak the memory that it took. A
    file that cannot be measured is a row with its error; the others are
    measured all the same, and the exit code is 1. CSV has a row for each file
    and device; JSON a list with an object for each, with the operators.

    \b
    Examples:
      keras-eff measure a.tflite b.tflite
      keras-eff measure --num_threads=4 --csv *.tflite > latency.csv
      keras-eff measure model.tflite --runner=android --serial=all
      keras-eff measure model.tflite --runner=remote --host=pi@raspberrypi \\
        --binary=linux_aarch64_benchmark_model --profile_ops
    """
    if as_json and as_csv:
        raise click.UsageError("Only one of --json and --csv can be given.")
    for path in paths:
        if not pathlib.Path(path).is_file():
            raise FileNotFoundError(f"measure: there is no file {path}")
    how = (num_threads, num_runs, input_shapes)
    rows = []
    for row in _measure_each(paths, make_runners(**options), *how):
        if as_csv:
            # At once: whoever interrupts it has the rows so far.
            print(csv_lines([row], has_header=not rows), end="", flush=True)
        rows.append(row)
    if as_json:
        print(format_json(rows))
    elif not as_csv:
        print(describe(rows))
    return CHECK_FAILED if any(row["error"] for row in rows) else 0


def _measure_each(paths, runners, *how) -> Iterator[dict]:
    """Yields a row for each file and device."""
    jobs = [(path, *runner) for path in paths for runner in runners.items()]
    for number, (path, device, runner) in enumerate(jobs, 1):
        place = f"{path} on {device}" if device else path
        text = f"measuring {number} of {len(jobs)}: {place}"
        with announce(text), without_warnings():
            row = _measure(path, device, runner, *how)
        for warning in row["warnings"] or ():
            tell(f"warning: {place}: {warning}")
        if row["error"]:
            tell(f"error: {place}: {row['error']}")
        yield row


def _measure(path, device, runner, num_threads, num_runs, input_shapes):
    try:
        latency = keras_eff.latency.measure(
            path, num_threads, num_runs, runner, input_shapes=input_shapes
        )
    except _FAILURES as error:
        return failed_row(path, device, error)
    return measured_row(path, latency)
