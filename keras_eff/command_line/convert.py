"""keras-eff convert: a Keras model becomes a file."""

import dataclasses

from absl import flags as absl_flags

import keras_eff
from keras_eff.command_line.command import Command
from keras_eff.command_line.command import given
from keras_eff.command_line.keras_model import load_model
from keras_eff.command_line.keras_model import quiet_tensorflow
from keras_eff.command_line.samples import SOURCES
from keras_eff.command_line.samples import load_samples
from keras_eff.command_line.shapes import define_input_shapes
from keras_eff.command_line.shapes import given_shapes
from keras_eff.command_line.table import format_json
from keras_eff.export.formats import FORMATS

_OPTIONS = (
    *("quantize", "method", "io_dtype", "batch_size"),
    *("keep_names", "sparse", "tolerance", "min_agreement"),
)


def _define_flags(flags):
    absl_flags.DEFINE_enum(
        "quantize",
        None,
        [name for name in FORMATS if name != "float32"],
        "The numbers of the file; float32 without this flag, or int8 if the "
        "model has FakeQuant layers. int8, int4 and int16x8 are quantized "
        "from --samples.",
        flag_values=flags,
    )
    absl_flags.DEFINE_string(
        "samples",
        None,
        f"{SOURCES}. A few hundred to quantize, a few to check the "
        "file with; random ones by default.",
        flag_values=flags,
    )
    absl_flags.DEFINE_enum(
        "method",
        None,
        ["minmax", "percentile", "mse"],
        "How int8 and int4 find the ranges of activations; minmax without "
        "this flag.",
        flag_values=flags,
    )
    absl_flags.DEFINE_enum(
        "io_dtype",
        None,
        sorted({name for each in FORMATS.values() for name in each.io_dtypes}),
        "Type of the inputs and outputs of a quantized file.",
        flag_values=flags,
    )
    absl_flags.DEFINE_integer(
        "batch_size",
        None,
        "The fixed batch dimension of the file; 1 without this flag.",
        1,
        flag_values=flags,
    )
    absl_flags.DEFINE_boolean(
        "keep_names",
        False,
        "Keep the names of all tensors, for inspection.",
        flag_values=flags,
    )
    absl_flags.DEFINE_boolean(
        "sparse",
        False,
        "Store weights that are mostly zeros without the zeros.",
        flag_values=flags,
    )
    absl_flags.DEFINE_float(
        "tolerance",
        None,
        "Mean difference to what the file is meant to compute, as a share of "
        "the largest output, above which the file is refused.",
        0.0,
        flag_values=flags,
    )
    define_input_shapes(flags)
    absl_flags.DEFINE_float(
        "min_agreement",
        None,
        "Agreement with the model, in [0, 1], below which the file is refused; "
        "0.8 without this flag, 0 for none.",
        0.0,
        1.0,
        flag_values=flags,
    )
    absl_flags.DEFINE_boolean(
        "json", False, "Print a JSON object.", flag_values=flags
    )


def _run(flags, operands):
    model_path, path = operands
    samples = load_samples(flags.samples)
    options = given(flags, _OPTIONS) | given_shapes(flags)
    with quiet_tensorflow():
        # Here: it imports Keras.
        from keras_eff.export.arguments import check_backend

        check_backend("keras-eff convert")
        model = load_model(model_path)
        report = keras_eff.export.to_tflite(
            model, path, samples=samples, **options
        )
    print(format_json(dataclasses.asdict(report)) if flags.json else report)
    return 0


COMMAND = Command(
    name="convert",
    operands=("MODEL.keras", "OUT.tflite"),
    summary="Write a .tflite file that computes what the model computes.",
    details=(
        "The file is run on samples and compared with the model: only a file "
        "that agrees is written. If it does not, or the conversion fails, the "
        "exit code is 1. A delegate partition is a connected piece of the "
        "graph that the default delegate (XNNPACK, the fast kernels of the "
        "runtime) takes over; operators between the pieces run in the slower "
        "builtin kernels: 1 is best."
    ),
    examples=(
        "keras-eff convert model.keras model.tflite --quantize=float16",
        "keras-eff convert model.keras model.tflite --quantize=int8 "
        "--samples=x.npy",
        "keras-eff convert trained_with_fake_quant.keras model.tflite",
    ),
    define_flags=_define_flags,
    run=_run,
)
