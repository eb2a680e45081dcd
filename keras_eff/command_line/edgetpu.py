"""keras-eff edgetpu: a file for the Edge TPU."""

import pathlib

from absl import flags as absl_flags

import keras_eff
from keras_eff.command_line.command import Command
from keras_eff.command_line.command import given
from keras_eff.command_line.keras_model import load_model
from keras_eff.command_line.keras_model import quiet_tensorflow
from keras_eff.command_line.samples import SOURCES
from keras_eff.command_line.samples import load_samples

_OPTIONS = ("num_segments", "compiler", "without_compiler")


def _define_flags(flags):
    absl_flags.DEFINE_string(
        "samples",
        None,
        f"{SOURCES}. A few hundred, to quantize a .keras file with.",
        flag_values=flags,
    )
    absl_flags.DEFINE_integer(
        "num_segments",
        None,
        "How many files to split the model into, for as many Edge TPUs; 1 "
        "without this flag.",
        1,
        flag_values=flags,
    )
    absl_flags.DEFINE_string(
        "compiler",
        None,
        "Path of edgetpu_compiler; the one of KERAS_EFF_EDGETPU_COMPILER or "
        "on PATH without this flag.",
        flag_values=flags,
    )
    absl_flags.DEFINE_enum(
        "without_compiler",
        None,
        ["error", "warn"],
        "What happens where there is no compiler; error without this flag. "
        "The int8 file is written in both cases.",
        flag_values=flags,
    )


def _run(flags, operands):
    source, path = operands
    samples = load_samples(flags.samples)
    options = given(flags, _OPTIONS)
    is_model = pathlib.Path(source).suffix == ".keras"
    with quiet_tensorflow():
        report = keras_eff.export.to_edgetpu(
            load_model(source) if is_model else source,
            path,
            samples,
            **options,
        )
    print(report)
    return 0


COMMAND = Command(
    name="edgetpu",
    operands=("MODEL", "OUT_edgetpu.tflite"),
    summary="Compile a model for the Edge TPU.",
    details=(
        "MODEL is a .keras file, which becomes an int8 .tflite file first, or "
        "an int8 .tflite file. It needs edgetpu_compiler, an own program. If "
        "that fails or maps nothing, the exit code is 1."
    ),
    examples=(
        "keras-eff edgetpu model.keras model_edgetpu.tflite --samples=x.npy",
        "keras-eff edgetpu int8.tflite int8_edgetpu.tflite --num_segments=2",
    ),
    define_flags=_define_flags,
    run=_run,
)
