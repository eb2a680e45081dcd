import time

from keras_eff.arguments import read_integer
from keras_eff.arguments import read_number
from keras_eff.atomic_write import atomic_write
from keras_eff.atomic_write import check_path
from keras_eff.export.agreement import check_agreement
from keras_eff.export.agreement import check_exactness
from keras_eff.export.arguments import check_backend
from keras_eff.export.arguments import check_suffix
from keras_eff.export.changing_state import state_in_outputs
from keras_eff.export.changing_state import warn_of_state
from keras_eff.export.file_passes import FileOptions
from keras_eff.export.file_passes import model_file
from keras_eff.export.float_weights import warn_of_float_weights
from keras_eff.export.formats import FORMATS
from keras_eff.export.formats import check_format
from keras_eff.export.formats import check_options
from keras_eff.export.held_out import split_samples
from keras_eff.export.held_out import warn_of_few_samples
from keras_eff.export.input_shapes import fixed_shapes
from keras_eff.export.preparation import prepare
from keras_eff.export.report import Report
from keras_eff.export.verification import compare_both
from keras_eff.export.verification import lost_layers
from keras_eff.export.verification import way_out
from keras_eff.graph.end_names import end_names
from keras_eff.graph.poor_samples import warn_of_poor_samples
from keras_eff.graph.progress import check_verbose
from keras_eff.graph.samples import check_samples
from keras_eff.graph.samples import random_samples
from keras_eff.graph.walk import check_graph
from keras_eff.layers import FakeQuant
from keras_eff.layers.cloning import layers_of
from keras_eff.tflite.execution import execute_unchecked
from keras_eff.tflite.grid import known_grids
from keras_eff.tflite.inspection import describe
from keras_eff.tflite.inspection import output_steps

_RANDOM_SAMPLES = 16


def to_tflite(
    model,
    path,
    quantize=None,
    samples=None,
    *,
    method="minmax",
    io_dtype=None,
    batch_size=1,
    keep_names=False,
    sparse=False,
    tolerance=None,
    input_shapes=None,
    min_agreement=0.8,
    verbose="auto",
) -> Report:
    """Writes a model as a LiteRT (TFLite) file that computes the same.

    The file is loaded and run on the samples, in a process of its own, under
    the default delegate and under the builtin kernels, and compared with the
    model that was given. Only a file that passes appears at `path`; whatever
    was there before stays otherwise. Where the ranges of the file are taken
    from 32 samples or more, a quarter of them, drawn with a fixed seed, is
    held out of the ranges, and compared.

    A model with `keras_eff.layers.FakeQuant` layers becomes a file of
    integers. Operations that the default delegate would skip are written with
    others that compute the same function.

    All formats of a model, quantized before or here, have inputs and outputs
    of the same names, in the signature "serving_default" and as tensors: the
    keys of a dict (of dicts: joined by `_`), else the names that the user gave
    to input layers and to the layers or operations that return the outputs.
    Names of Keras's own making, such as `dense_12`, lose their number, which
    depends on what was made before: `dense`. Where two are then alike, the
    later ones are numbered from 1.

    | `quantize`         | weights    | activations | samples              |
    |--------------------|------------|-------------|----------------------|
    | None               | float32    | float32     | to compare           |
    | None, `FakeQuant`  | int8       | int8        | to compare           |
    | "float16"          | float16    | float32     | to compare           |
    | "dynamic"          | int8       | int8 inside | to compare           |
    | "weight_only_int8" | int8       | float32     | to compare           |
    | "weight_only_int4" | int4       | float32     | to compare           |
    | "int8"             | int8       | int8        | for the ranges       |
    | "int4"             | int4, int8 | int8        | for the ranges       |
    | "int4", `FakeQuant`| int4, int8 | int8        | to compare           |
    | "int16x8"          | int8       | int16       | for the ranges       |

    The kernels of "dynamic" round activations in passing; small weights are
    stored in int8 and computed with in float. In weight-only files nothing but
    weights is rounded: they are smaller, and take the memory of floats. Where
    a format leaves more than a tenth of the bytes of weights float32, a
    warning names them, with what "dynamic" would save on a file of integers.
    Of int4, the default delegate takes dense layers with int8 activations and
    an even number of inputs, twice as fast as int8; all other int4, and int16,
    run in the builtin kernels, 2 to 60 times slower.

    A file changes no state. A layer that draws random numbers at inference
    gets one draw, stored in the file, from the seed that the model has now: the
    file computes what Keras does, and the same in each run. A recurrent layer
    with `stateful=True` starts each run from the state that it has now. A
    warning names these layers.

    Args:
        model: Built `keras.Sequential` or Functional model.
        path: Path of the file to write, in a directory that exists.
        quantize: One of the formats above. "int8" and "int4" quantize a float
            model after training, with `keras_eff.quantize` and
            `keras_eff.calibrate`; in "int16x8" the converter does. For a model
            with `FakeQuant` layers, None keeps all weights in int8; "int4"
            packs those of 4 bits and fewer, where convolutions and dense
            layers read them, two to a byte. Weight-only and "dynamic" files
            leave weights of fewer than 256 elements float.
        samples: Array of shape (samples, ...), in the model's own units and
            dtypes, a `tf.data.Dataset`, or what else `keras_eff.calibrate`
            takes: a few hundred for ranges, some tens for the comparison (at
            most 256 are compared). By default, random ones within the model's
            ranges, on which a file is not refused by `min_agreement`. A
            warning tells of samples that cannot be real data, see
            `keras_eff.calibrate`.
        method: How "int8" and "int4" find ranges, see `keras_eff.calibrate`.
        io_dtype: Type of the float inputs and the outputs of a file of
            integers: by default its own, "int8" or "int16"; "float32"; or
            "uint8" instead of "int8". An input that a float layer reads first
            is float32 anyway, see `skip` of `keras_eff.quantize`. "int8" and
            "int4" of a float model pass it to `keras_eff.quantize`: with
            "float32", features in different units that a `Normalization`
            reads first keep a resolution each.
        batch_size: Integer, the fixed batch dimension of the file.
        keep_names: Boolean, whether the file keeps the names of all tensors
            and the converter's metadata, for inspection. By default, all but
            inputs and outputs are called by their numbers in a file that
            computes with floats, since tools that quantize it find them by
            name, and have no names in a file of integers.
        sparse: Boolean, whether weights of which 30 % or more are zeros, as
            pruning leaves them, are stored without. Float32 takes zeros
            anywhere; float16 anywhere but in blocks; int8 anywhere in
            convolutions, and in blocks of (16, 1) in the kernels of dense
            layers (inputs, units), whose inputs are then a multiple of 16;
            the other formats take none. Dense layers with such blocks, or of
            (4, 1) in float32, compute with what is left, outside of the
            default delegate: measure whether that is faster. A download gains
            less, as gzip finds zeros too: compare `gzip_bytes`.
        tolerance: Float, the mean difference to what the file is meant to
            compute, as a share of the largest output, above which the file is
            refused as wrong. It is meant to compute the model, or, in "int8",
            "int4" and weight-only files, its clone that was rounded. Defaults
            to 1e-4 for float32 and weight-only files; 1e-2 for float16 and
            "int16x8"; 3e-2 for the others.
        min_agreement: Float in [0, 1], the least agreement of each output with
            the model that was given, below which the file is refused, however
            exactly it computes what was meant. An output disagrees if its
            top-1 agreement, with one standard error in its favor, and the R2
            of a channel of the last axis are both below it; if it has one
            channel, by R2 alone; if it is of integers, by the share of equal
            values. Unless its channels sum to 1, it also disagrees if R2 is
            below 0 of all channels, or below 0.5 of one where the model's
            largest channel is always the same. R2 (coefficient of
            determination) counts where the standard deviation of a channel is
            1/64 of the range of the output or more, for the last rule 1/32:
            choices between values that hardly differ are not held against the
            file, nor noise in some channels where choices are right. On fewer
            than 8 samples, or random ones, a warning stands in place of the
            error; others tell of channels that are lost, and of those that
            vary by less than one step of the output's integers.
            0 is for a file that is only measured: it neither raises nor
            warns, of samples either.
        input_shapes: Shape of the input of the file, a tuple of integers such
            as `(20, 8)`, or a list or dict of shapes for several inputs, as
            `samples`; with or without the batch. Needed where the model leaves
            dimensions open (`keras.Input((None, 8))`) and there are no
            samples: by default, the file has the shape of the samples. None
            in it leaves a dimension open in the file too: then whoever runs
            it must resize its inputs before anything else.
        verbose: 0, silent; 1, a progress bar of the search for ranges, where
            "int8" and "int4" of a float model find them; "auto", one where it
            takes longer than two seconds, on a terminal or in a notebook.

    Returns:
        A `keras_eff.export.Report`.

    Raises:
        TypeError: If `model` is not a Keras 3 model.
        ValueError: If an argument is out of range or not one of the format,
            the samples do not fit the model, a `FakeQuant` has seen no data,
            or has not 8 bits, there are no weights for the format, or the
            zeros that `sparse` leaves out lie where a runtime would misread
            the weight.
        OSError: If `path` cannot be written.
        RuntimeError: If Keras has another backend than TensorFlow, the
            conversion fails, or the file crashes, returns NaN, differs from
            what was meant by more than `tolerance`, or agrees less with the
            model than `min_agreement`: the error then names the layers in
            which most signal is lost, as `keras_eff.export.debug` finds them.

    Example:

    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> samples = np.linspace(-1.0, 1.0, 80, dtype="float32").reshape(10, 8)
    >>> to_tflite = keras_eff.export.to_tflite
    >>> report = to_tflite(model, "dense.tflite", "int8", samples)
    >>> report.ops, report.float_tensors
    ({'FULLY_CONNECTED': 1}, ())
    """
    start = time.perf_counter()
    check_backend("keras_eff.export.to_tflite")
    path = check_path(path)
    check_suffix(path)
    batch_size = read_integer("batch_size", batch_size, 1)
    min_agreement = read_number("min_agreement", min_agreement, "[0, 1]")
    if tolerance is not None:
        tolerance = read_number("tolerance", tolerance, "[0, inf]")
    check_verbose(verbose)
    check_graph(model, "keras_eff.export.to_tflite")
    is_aware = bool(layers_of(model, FakeQuant))
    name = check_format(quantize, is_aware)
    chosen = FORMATS[name]
    io_dtype = check_options(name, is_aware, samples, method, io_dtype, sparse)
    finds_ranges = chosen.is_integer and not is_aware
    split = None
    if samples is not None:
        samples = check_samples(model, samples)
        split = split_samples(samples, finds_ranges)
        if min_agreement:
            warn_of_poor_samples(model, samples, finds_ranges)
        if min_agreement and finds_ranges:
            warn_of_few_samples(split)
    shapes = fixed_shapes(model, input_shapes, samples, batch_size)
    fitted = None if split is None else split.fitted
    converted = prepare(model, name, fitted, method, io_dtype, verbose)
    if samples is None:
        drawn = random_samples(converted, _RANDOM_SAMPLES, shapes)
        split = split_samples(drawn, False)
    state = state_in_outputs(model, split.compared, batch_size)
    warn_of_state(state)
    options = FileOptions(
        format=chosen,
        io_dtype=io_dtype,
        names=end_names(model),
        grids=known_grids(converted),
        batch_size=batch_size,
        sparse=sparse,
        keep_names=keep_names,
        shapes=shapes,
    )
    file = model_file(converted, options, split.fitted)
    with atomic_write(path, file.data) as temporary:
        execution = execute_unchecked(temporary, split.compared)

        def explain(outputs):
            lost = lost_layers(model, temporary, split.judged, outputs)
            return lost + way_out(name, is_aware)

        given, meant = compare_both(
            model,
            converted,
            split,
            execution,
            output_steps(file.model),
            # As large as those of the file, for the same random numbers.
            batch_size if state else None,
        )
        limit = chosen.tolerance if tolerance is None else tolerance
        check_exactness(model.name, given, meant, limit, explain)
        check_agreement(given, min_agreement, samples is None, explain)
    warn_of_float_weights(file.model, converted, name)
    contents = describe(file)
    return Report(
        path=str(path),
        size_bytes=contents.size_bytes,
        gzip_bytes=contents.gzip_bytes,
        ops=contents.ops,
        float_tensors=contents.float_tensors,
        weight_bytes=contents.weight_bytes,
        delegate_partitions=execution.delegate_partitions,
        seconds=time.perf_counter() - start,
        against_model=given,
        against_rounded=None if converted is model else meant,
        samples_kind=_kind(samples, split),
    )


def _kind(samples, split):
    if samples is None:
        return "random"
    return "held-out" if split.is_held_out else "given"
