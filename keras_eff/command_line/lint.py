"""keras-eff lint: whether files run on an accelerator."""

import dataclasses

from absl import flags as absl_flags

import keras_eff
from keras_eff.command_line.command import CHECK_FAILED
from keras_eff.command_line.command import Command
from keras_eff.command_line.command import show_readable
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
    verdicts = []

    def lint(path):
        found = keras_eff.export.lint_edgetpu(path)
        verdicts.append(found.parses and found.mapped == found.total)
        return found

    code = show_readable(paths, lint, _json if flags.json else _text)
    return code or (0 if all(verdicts) else CHECK_FAILED)


def _json(found):
    return format_json([_row(*each) for each in found.items()])


def _text(found):
    texts = [f"{printable(path)}\n{each}" for path, each in found.items()]
    return "\n\n".join(texts)


def _row(path, lint):
    return {
        "file": path,
        "parses": lint.parses,
        "mapped": lint.mapped,
        "total": lint.total,
        **dataclasses.asdict(lint),
    }


COMMAND = Command(
    name="lint",
    operands=("FILE.tflite...",),
    summary="Tell which operations of files an accelerator would compute.",
    details=(
        "The exit code is 1 if any operation does not map, or some of the "
        "files cannot be read, so that a build can depend on it."
    ),
    examples=(
        "keras-eff lint model.tflite",
        "keras-eff lint --target=edgetpu --json model.tflite",
    ),
    define_flags=_define_flags,
    run=_run,
)
