import time

import keras

from keras_eff.export.casts import drop_float_casts
from keras_eff.export.comparison import compare
from keras_eff.export.comparison import keras_outputs
from keras_eff.export.conversion import convert
from keras_eff.export.draft import check_path
from keras_eff.export.draft import draft
from keras_eff.export.ends import name_ends
from keras_eff.export.execution import execute
from keras_eff.export.grid import restore_grid
from keras_eff.export.inspection import inspect
from keras_eff.export.lowering import Lowering
from keras_eff.export.lowering_rules import RULES
from keras_eff.export.report import Report
from keras_eff.export.sparsity import check_sparsity
from keras_eff.export.strip import strip
from keras_eff.layers import FakeQuant
from keras_eff.layers import WeightFakeQuant
from keras_eff.layers.sublayers import layers_of
from keras_eff.transforms.calibrate import calibrate
from keras_eff.transforms.graph import check_graph
from keras_eff.transforms.graph import producer
from keras_eff.transforms.quantize import quantize as quantize_model
from keras_eff.transforms.samples import batches
from keras_eff.transforms.samples import check_samples
from keras_eff.transforms.samples import random_samples

_BATCH = 32
_FORMATS = (None, "float16", "dynamic", "int8")
_IO_DTYPES = ("int8", "uint8", "float32")
_COMPARED = 256
_RANDOM_SAMPLES = 16
# Mean error over the largest output; what was measured on correct files is in
# benchmarks/README.md, and a wrong one misses by far.
_TOLERANCES = {"float32": 1e-4, "float16": 1e-2, "dynamic": 3e-2, "int8": 3e-2}


def to_tflite(
    model,
    path,
    quantize=None,
    samples=None,
    *,
    method="minmax",
    io_dtype="int8",
    batch_size=1,
    keep_names=False,
    sparse=False,
    tolerance=None,
) -> Report:
    """Writes a model as a LiteRT (TFLite) file that computes the same.

    The file is loaded and run on the samples, in a process of its own, under
    the default delegate and under the builtin kernels, and compared with the
    Keras model. Only a file that passes appears at `path`; whatever was there
    before stays otherwise.

    A model with `keras_eff.layers.FakeQuant` layers becomes an int8 file.
    Operations that the default delegate would skip are written with others
    that compute the same function.

    Args:
        model: Built `keras.Sequential` or Functional model.
        path: Path of the file to write, in a directory that exists.
        quantize: None, float32, or int8 if the model has `FakeQuant` layers;
            "float16", weights in half precision; "dynamic", weights in 8 bits
            and activations in float; "int8", post-training quantization:
            `keras_eff.quantize` and `keras_eff.calibrate` on the samples.
        samples: Array of shape (samples, ...), or a list or dict of arrays
            for several inputs, in the model's own units and dtypes: a few
            hundred for "int8", a few for the comparison (at most 256 are
            compared). By default, random ones within the model's ranges.
        method: How "int8" finds ranges, see `keras_eff.calibrate`.
        io_dtype: "int8", "uint8" or "float32", type of the float inputs and
            the outputs of an int8 file.
        batch_size: Integer, the fixed batch dimension of the file.
        keep_names: Boolean, whether the file keeps the names of all tensors
            and the converter's metadata, for inspection. The names of inputs
            and outputs are always kept.
        sparse: Boolean, whether weights of which 30 % or more are zeros, as
            pruning leaves them, are stored without. Float32 takes zeros
            anywhere; float16 anywhere but in blocks; int8 anywhere in
            convolutions, and in blocks of (16, 1) in the kernels of dense
            layers (inputs, units), whose inputs are then a multiple of 16;
            "dynamic" takes none. Dense layers with such blocks, or of (4, 1)
            in float32, compute with what is left, outside of the default
            delegate: measure whether that is faster. A download gains
            less, as gzip finds zeros too: compare `gzip_bytes`.
        tolerance: Float, the mean difference to the Keras model, as a share
            of its largest output, above which the file is refused. Defaults
            to 1e-4 for float32, 1e-2 for float16, 3e-2 for the others.

    Returns:
        A `keras_eff.export.Report`.

    Raises:
        TypeError: If `model` is not a Keras 3 model.
        ValueError: If an argument is out of range, the samples do not fit the
            model, a `FakeQuant` has seen no data, or has not 8 bits, or the
            zeros that `sparse` leaves out lie where a runtime would misread
            the weight.
        OSError: If `path` cannot be written.
        RuntimeError: If the conversion fails, or the file crashes, returns
            NaN, or differs from the Keras model by more than `tolerance`.

    Example:

    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> samples = np.linspace(-1.0, 1.0, 80, dtype="float32").reshape(10, 8)
    >>> to_tflite = keras_eff.export.to_tflite
    >>> report = to_tflite(model, "dense.tflite", "int8", samples)
    >>> report.ops, report.float_tensors
    ({'FULLY_CONNECTED': 1}, ())
    """
    start = time.perf_counter()
    path = check_path(path)
    _check_arguments(quantize, io_dtype, batch_size)
    if tolerance is not None and not tolerance >= 0:
        raise ValueError(
            "Argument `tolerance` must be a float, 0 or more. "
            f"Received: tolerance={tolerance!r}"
        )
    check_graph(model, "keras_eff.export.to_tflite")
    if samples is not None:
        samples = check_samples(model, samples)
    converted = _converted_model(model, quantize, samples, method)
    if samples is None:
        samples = random_samples(converted, _RANDOM_SAMPLES)
    rounds = layers_of(converted, FakeQuant)
    data_type = "int8" if rounds else quantize or "float32"
    options = (data_type, batch_size, io_dtype, sparse, keep_names)
    data = _file(converted, *options)
    limit = _TOLERANCES[data_type] if tolerance is None else tolerance
    shown = [array[:: -(-len(array) // _COMPARED)] for array in samples]
    with draft(path, data) as temporary:
        execution = execute(temporary, shown)
        reference = _in_full_precision(converted)
        comparison = _verify(reference, shown, execution, limit)
        contents = inspect(temporary)
    quantized_here = converted is not model
    return Report(
        path=str(path),
        size_bytes=contents.size_bytes,
        gzip_bytes=contents.gzip_bytes,
        ops=contents.ops,
        float_tensors=contents.float_tensors,
        max_abs_error=comparison.max_abs_error,
        mean_lsb=comparison.mean_lsb,
        agreement=comparison.agreement,
        float_agreement=(
            _compare(model, shown, execution).agreement
            if quantized_here
            else None
        ),
        delegate_partitions=execution.delegate_partitions,
        seconds=time.perf_counter() - start,
    )


def _check_arguments(quantize, io_dtype, batch_size):
    for name, value, choices in (
        ("quantize", quantize, _FORMATS),
        ("io_dtype", io_dtype, _IO_DTYPES),
    ):
        if value not in choices:
            raise ValueError(
                f"Argument `{name}` must be one of {choices}. "
                f"Received: {name}={value!r}"
            )
    if type(batch_size) is not int or batch_size < 1:
        raise ValueError(
            "Argument `batch_size` must be a positive integer. "
            f"Received: batch_size={batch_size!r}"
        )


def _converted_model(model, quantize, samples, method):
    """The model itself, or its quantized clone for post-training "int8"."""
    layers = layers_of(model, FakeQuant)
    if layers and quantize is not None:
        raise ValueError(
            "A model with `FakeQuant` layers becomes an int8 file: leave "
            f"`quantize` at None. Received: quantize={quantize!r}"
        )
    if quantize == "int8":
        if samples is None:
            raise ValueError(
                "Post-training quantization needs `samples`, a few hundred "
                'inputs. Received: quantize="int8", samples=None'
            )
        return calibrate(quantize_model(model), samples, method)
    unseen = [layer.name for layer in layers if not layer.calibrated]
    if unseen:
        raise ValueError(
            "Every `FakeQuant` must have seen data: train the model, or call "
            f"`keras_eff.calibrate`. Received: no range in {unseen}"
        )
    widths = {layer.num_bits for layer in layers}
    if widths - {8}:
        raise ValueError(
            "Files are written for activations of 8 bits. Received: "
            f"`FakeQuant` layers with num_bits={sorted(widths)}"
        )
    return model


def _file(model, data_type, batch_size, io_dtype, sparse, keep_names):
    lowered = Lowering(RULES).lower(model)
    data = convert(lowered, data_type, batch_size, io_dtype, sparse)
    check_sparsity(data, data_type)
    if data_type == "int8":
        data = drop_float_casts(data)
    widths = {layer.num_bits for layer in layers_of(model, WeightFakeQuant)}
    for num_bits in sorted(widths - {8}):
        data = restore_grid(data, num_bits)
    outputs = [producer(x).name for x in model.outputs]
    data = name_ends(
        data,
        inputs=[x.name for x in model.inputs],
        outputs=[name.removesuffix("_fake_quant") for name in outputs],
    )
    return data if keep_names else strip(data)


def _in_full_precision(model):
    """The model, or its clone in float32 where it computes in less."""
    layers = layers_of(model, keras.layers.Layer)
    if not any("float16" in layer.compute_dtype for layer in layers):
        return model
    return Lowering({}).lower(model)


def _verify(model, samples, execution, limit):
    """Raises unless both runs of the file agree with the Keras model."""
    comparison = _compare(model, samples, execution)
    if not comparison.mean_share <= limit:
        raise RuntimeError(
            f"The file does not compute what model {model.name!r} computes: "
            f"mean difference {comparison.mean_share:.3g} of the largest "
            f"output (tolerance {limit:.3g}), largest difference "
            f"{comparison.max_abs_error:.3g}, agreement "
            f"{comparison.agreement}. Nothing was written"
        )
    return comparison


def _compare(model, samples, execution):
    expected = keras_outputs(model, batches(model, samples, _BATCH))
    return compare(expected, execution)
