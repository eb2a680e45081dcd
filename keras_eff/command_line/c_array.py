"""keras-eff c-array: a file as a C header."""

from absl import flags as absl_flags

import keras_eff
from keras_eff.command_line.command import Command
from keras_eff.command_line.command import reading


def _define_flags(flags):
    absl_flags.DEFINE_string(
        "name",
        None,
        "Name of the array; that of the file without this flag.",
        flag_values=flags,
    )


def _run(flags, operands):
    path, header = operands
    with reading(path):
        name = keras_eff.export.to_c_array(path, header, name=flags.name)
    print(f"{header}: {name}, {name}_len")
    return 0


COMMAND = Command(
    name="c-array",
    operands=("FILE.tflite", "HEADER.h"),
    summary="Write a file as a C header, for microcontrollers.",
    details=(
        "The header defines the file's bytes, aligned as TFLite Micro needs "
        "them, and their number. It prints the names of both."
    ),
    examples=(
        "keras-eff c-array model.tflite model.h",
        "keras-eff c-array model.tflite model.h --name=g_model",
    ),
    define_flags=_define_flags,
    run=_run,
)
