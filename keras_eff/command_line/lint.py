"""keras-eff lint: whether files run on an accelerator."""

import dataclasses

from absl import flags as absl_flags

import keras_eff
from keras_eff.command_line.command import Command
from keras_eff.command_line.command import reading
from keras_eff.command_line.table import format_json
from keras_eff.printable import printable


def _define_flags(flags):
    absl_flags.DEFINE_enum(
        "target",
        "edgetpu",
        ["edgetpu"],
        "The accelerator.",
        flag_values=flags,
    )
    absl_flags.DEFINE_boolean(
        "json",
        False,
        "Print a JSON list with an object for each file.",
        flag_values=flags,
    )


def _run(flags, paths):
    found = {path: _lint(path) for path in paths}
    if flags.json:
        print(format_json([_row(*each) for each in found.items()]))
    else:
        texts = [f"{printable(path)}\n{each}" for path, each in found.items()]
        print("\n\n".join(texts))
    return 0 if all(map(_maps, found.values())) else 1


def _lint(path):
    with reading(path):
        return keras_eff.export.lint_edgetpu(path)


def _row(path, lint):
    return {
        "file": path,
        "parses": lint.parses,
        "mapped": lint.mapped,
        "total": lint.total,
        **dataclasses.asdict(lint),
    }


def _maps(lint):
    return lint.parses and lint.mapped == lint.total


COMMAND = Command(
    name="lint",
    operands=("FILE.tflite...",),
    summary="Tell which operations of files an accelerator would compute.",
    details=(
        "The exit code is 1 if any operation does not map, so that a build "
        "can depend on it."
    ),
    examples=(
        "keras-eff lint model.tflite",
        "keras-eff lint --target=edgetpu --json model.tflite",
    ),
    define_flags=_define_flags,
    run=_run,
)
