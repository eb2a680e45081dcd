"""keras-eff debug: where a file departs from its model."""

from absl import flags as absl_flags

import keras_eff
from keras_eff.command_line.command import Command
from keras_eff.command_line.command import given
from keras_eff.command_line.keras_model import load_model
from keras_eff.command_line.keras_model import quiet_tensorflow
from keras_eff.command_line.samples import SOURCES
from keras_eff.command_line.samples import load_samples


def _define_flags(flags):
    absl_flags.DEFINE_string(
        "samples",
        None,
        f"Needed. {SOURCES}.",
        flag_values=flags,
    )
    absl_flags.DEFINE_string(
        "plot", None, "A picture to write, such as .png.", flag_values=flags
    )


def _run(flags, operands):
    model_path, path = operands
    samples = load_samples(flags.samples)
    if samples is None:
        raise ValueError("debug: --samples=FILE is needed")
    options = given(flags, ["plot"])
    with quiet_tensorflow():
        model = load_model(model_path)
        report = keras_eff.export.debug(model, path, samples, **options)
    print(report)
    return 0


COMMAND = Command(
    name="debug",
    operands=("MODEL.keras", "FILE.tflite"),
    summary="Show where a file departs from its model, layer by layer.",
    details="It runs both on the samples and compares what is in between.",
    examples=(
        "keras-eff debug model.keras model.tflite --samples=x.npy",
        "keras-eff debug model.keras model.tflite --samples=x.npy "
        "--plot=errors.png",
    ),
    define_flags=_define_flags,
    run=_run,
)
