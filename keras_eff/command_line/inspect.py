"""keras-eff inspect: what files hold."""

import dataclasses

from absl import flags as absl_flags

import keras_eff
from keras_eff.command_line.command import Command
from keras_eff.command_line.command import show_readable
from keras_eff.command_line.table import format_json
from keras_eff.printable import printable


def _define_flags(flags):
    absl_flags.DEFINE_boolean(
        "json",
        False,
        "Print a JSON list with an object for each file: all its tensors.",
        flag_values=flags,
    )


def _run(flags, paths):
    show = _json if flags.json else _text
    return show_readable(paths, keras_eff.export.inspect, show)


def _json(reports):
    return format_json(
        [
            {"file": path, **dataclasses.asdict(report)}
            for path, report in reports.items()
        ]
    )


def _text(reports):
    return "\n\n".join(
        f"file    {printable(path)}\n{each}" for path, each in reports.items()
    )


COMMAND = Command(
    name="inspect",
    operands=("FILE.tflite...",),
    summary="Print what files hold: sizes, inputs, outputs, operators.",
    details=(
        "It reads the files and runs nothing. Below `float` are the tensors "
        "that are not integers. keras-eff convert, which runs its file, also "
        "tells its delegate partitions: connected pieces of the graph that the "
        "fast kernels of the runtime (XNNPACK) take over. If some of the files "
        "cannot be read, the exit code is 1."
    ),
    examples=(
        "keras-eff inspect model.tflite",
        "keras-eff inspect --json model.tflite | jq '.[0].ops'",
    ),
    define_flags=_define_flags,
    run=_run,
)
