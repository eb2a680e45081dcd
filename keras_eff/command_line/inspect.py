import dataclasses

import click

import keras_eff
from keras_eff.command_line.options import json_option
from keras_eff.command_line.reading import show_readable
from keras_eff.command_line.table import format_json
from keras_eff.printable import printable


@click.command()
@click.argument("paths", metavar="FILE.tflite...", nargs=-1, required=True)
@json_option
def inspect(paths, as_json):
    """Print what files hold: sizes, inputs, outputs, operators.

    It reads the files and runs nothing. Below `float` are the tensors that
    are not integers. keras-eff convert, which runs its file, also tells its
    delegate partitions: connected pieces of the graph that the fast kernels
    of the runtime (XNNPACK) take over. If some of the files cannot be read,
    the exit code is 1. JSON is a list with an object for each file: all its
    tensors.

    \b
    Examples:
      keras-eff inspect model.tflite
      keras-eff inspect --json model.tflite | jq '.[0].ops'
    """
    show = _json if as_json else _text
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
