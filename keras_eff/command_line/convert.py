import dataclasses

import click

import keras_eff
from keras_eff.command_line import keras_model
from keras_eff.command_line.options import given
from keras_eff.command_line.options import input_shapes_option
from keras_eff.command_line.options import json_option
from keras_eff.command_line.options import switch
from keras_eff.command_line.samples import samples_option
from keras_eff.command_line.table import format_json
from keras_eff.export.formats import FORMATS

_FORMATS = [name for name in FORMATS if name != "float32"]
_DTYPES = sorted({name for each in FORMATS.values() for name in each.io_dtypes})


@click.command()
@click.argument("model_path", metavar="MODEL.keras")
@click.argument("path", metavar="OUT.tflite")
@click.option(
    "--quantize",
    type=click.Choice(_FORMATS),
    metavar="FORMAT",
    help=f"The numbers of the file: {', '.join(_FORMATS)}; by default float32, "
    "or int8 if the model has FakeQuant layers. int8, int4 and int16x8 are "
    "quantized from --samples.",
)
@samples_option(
    "A few hundred to quantize, a few to check the file with; random ones by "
    "default."
)
@click.option(
    "--method",
    type=click.Choice(["minmax", "percentile", "mse"]),
    help="How int8 and int4 find the ranges of activations; minmax by default.",
)
@click.option(
    "--io_dtype",
    type=click.Choice(_DTYPES),
    metavar="DTYPE",
    help="Type of the inputs and outputs of a quantized file: "
    f"{', '.join(_DTYPES)}.",
)
@click.option(
    "--batch_size",
    type=click.IntRange(1),
    help="The fixed batch dimension of the file; 1 by default.",
)
@switch("keep_names", "Keep the names of all tensors, for inspection.")
@switch("sparse", "Store weights that are mostly zeros without the zeros.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0.0),
    help="Mean difference to what the file is meant to compute, as a share of "
    "the largest output, above which the file is refused.",
)
@input_shapes_option
@click.option(
    "--min_agreement",
    type=click.FloatRange(0.0, 1.0),
    help="Agreement with the model below which the file is refused; 0.8 by "
    "default, 0 for none.",
)
@json_option
def convert(model_path, path, samples, as_json, **options):
    """Write a .tflite file that computes what the model computes.

    The file is run on samples and compared with the model: only a file that
    agrees is written. If it does not, or the conversion fails, the exit code
    is 1. A delegate partition is a connected piece of the graph that the
    default delegate (XNNPACK, the fast kernels of the runtime) takes over;
    operators between the pieces run in the slower builtin kernels: 1 is best.

    \b
    Examples:
      keras-eff convert model.keras model.tflite --quantize=float16
      keras-eff convert model.keras model.tflite --quantize=int8 \\
        --samples=x.npy
      keras-eff convert trained_with_fake_quant.keras model.tflite
    """
    with keras_model.quiet_tensorflow():
        # Here: it imports Keras.
        from keras_eff.export.arguments import check_backend

        check_backend("keras-eff convert")
        model = keras_model.load_model(model_path)
        report = keras_eff.export.to_tflite(
            model, path, samples=samples, **given(options)
        )
    print(format_json(dataclasses.asdict(report)) if as_json else report)
