import pathlib

import click

import keras_eff
from keras_eff.command_line import keras_model
from keras_eff.command_line.options import given
from keras_eff.command_line.samples import samples_option


@click.command()
@click.argument("source", metavar="MODEL")
@click.argument("path", metavar="OUT_edgetpu.tflite")
@samples_option("A few hundred, to quantize a .keras file with.")
@click.option(
    "--num_segments",
    type=click.IntRange(1),
    help="How many files to split the model into, for as many Edge TPUs; 1 by "
    "default.",
)
@click.option(
    "--compiler",
    help="Path of edgetpu_compiler; by default the one of "
    "KERAS_EFF_EDGETPU_COMPILER or on PATH.",
)
@click.option(
    "--without_compiler",
    type=click.Choice(["error", "warn"]),
    help="What happens where there is no compiler; error by default. The int8 "
    "file is written in both cases.",
)
def edgetpu(source, path, samples, **options):
    """Compile a model for the Edge TPU.

    MODEL is a .keras file, which becomes an int8 .tflite file first, or an
    int8 .tflite file. It needs edgetpu_compiler, an own program. If that fails
    or maps nothing, the exit code is 1.

    \b
    Examples:
      keras-eff edgetpu model.keras model_edgetpu.tflite --samples=x.npy
      keras-eff edgetpu int8.tflite int8_edgetpu.tflite --num_segments=2
    """
    is_model = pathlib.Path(source).suffix == ".keras"
    with keras_model.quiet_tensorflow():
        model = keras_model.load_model(source) if is_model else source
        report = keras_eff.export.to_edgetpu(
            model, path, samples, **given(options)
        )
    print(report)
