"""keras-eff inspect: what files hold."""

import dataclasses

from absl import flags as absl_flags

import keras_eff
from keras_eff.command_line.command import Command
from keras_eff.command_line.command import reading
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
    reports = {path: _inspect(path) for path in paths}
    if flags.json:
        rows = [
            {"file": path, **dataclasses.asdict(report)}
            for path, report in reports.items()
        ]
        print(format_json(rows))
    else:
        texts = [
            f"file    {printable(path)}\n{each}"
            for path, each in reports.items()
        ]
        print("\n\n".join(texts))
    return 0


def _inspect(path):
    with reading(path):
        return keras_eff.export.inspect(path)


COMMAND = Command(
    name="inspect",
    operands=("FILE.tflite...",),
    summary="Print what files hold: sizes, inputs, outputs, operators.",
    details=(
        "It reads the files and runs nothing. Below `float` are the tensors "
        "that are not integers."
    ),
    examples=(
        "keras-eff inspect model.tflite",
        "keras-eff inspect --json model.tflite | jq '.[0].ops'",
    ),
    define_flags=_define_flags,
    run=_run,
)
