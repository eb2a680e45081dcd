import dataclasses

import click

import keras_eff
from keras_eff.command_line.options import json_option
from keras_eff.command_line.reading import show_readable
from keras_eff.command_line.table import format_json
from keras_eff.printable import printable
from keras_eff.program import CHECK_FAILED

# What a report holds of a file that is not compiled.
_EXPECTED = ("rows", "refusals", "weight_bytes", "on_chip_bytes")


@click.command()
@click.argument("paths", metavar="FILE.tflite...", nargs=-1, required=True)
@click.option(
    "--target",
    type=click.Choice(["edgetpu"]),
    default="edgetpu",
    show_default=True,
    expose_value=False,
    help="The accelerator.",
)
@json_option
def lint(paths, as_json):
    """Tell which operations of files an accelerator would compute.

    The exit code is 1 if any operation does not map, or some of the files
    cannot be read, so that a build can depend on it. JSON is a list with an
    object for each file.

    \b
    Examples:
      keras-eff lint model.tflite
      keras-eff lint --target=edgetpu --json model.tflite
    """
    verdicts = []

    def read(path):
        found = keras_eff.export.lint_edgetpu(path)
        verdicts.append(found.parses and found.mapped == found.total)
        return found

    code = show_readable(paths, read, _json if as_json else _text)
    return code or (0 if all(verdicts) else CHECK_FAILED)


def _json(found):
    return format_json([_row(*each) for each in found.items()])


def _text(found):
    texts = [f"{printable(path)}\n{each}" for path, each in found.items()]
    return "\n\n".join(texts)


def _row(path, report):
    found = dataclasses.asdict(report)
    return {
        "file": path,
        "parses": report.parses,
        "mapped": report.mapped,
        "total": report.total,
        **{name: found[name] for name in _EXPECTED},
    }
