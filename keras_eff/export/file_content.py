from keras_eff.export.calibrated_conversion import convert_calibrated
from keras_eff.export.conversion import convert
from keras_eff.export.formats import FORMATS
from keras_eff.export.preparation import SMALLEST_WEIGHT
from keras_eff.export.preparation import weight_bits
from keras_eff.lowering.lowering import Lowering
from keras_eff.lowering.rules import RULES
from keras_eff.tflite.casts import drop_float_casts
from keras_eff.tflite.end_types import sign
from keras_eff.tflite.grid import restore_grid
from keras_eff.tflite.sparse_weights import check_sparsity
from keras_eff.tflite.strip import strip
from keras_eff.tflite.weight_only import store_weights


def file_content(
    model,
    name,
    samples,
    batch_size,
    io_dtype,
    sparse,
    keep_names,
    ends,
    shapes,
) -> bytes:
    """The content of the file of a model, in one of the formats.

    Args:
        model: What `prepare` returned.
        name: Name of the format.
        samples: List of arrays, one for each input.
        batch_size, io_dtype, sparse, keep_names: See
            `keras_eff.export.to_tflite`.
        ends: Names of the inputs and of the outputs: see `end_names`.
        shapes: Shapes of the inputs without the batch.
    """
    lowered = Lowering(RULES).lower(model)
    chosen = FORMATS[name]
    if name == "int16x8":
        data = convert_calibrated(
            lowered, batch_size, io_dtype, samples, shapes
        )
    else:
        data = convert(
            lowered, chosen.converted_as, batch_size, io_dtype, sparse, shapes
        )
    check_sparsity(data, chosen.converted_as)
    if chosen.converted_as == "int8":
        data = drop_float_casts(data)
        data = _with_trained_weights(data, name, weight_bits(model))
    if chosen.is_weight_only:
        data = store_weights(data, chosen.rounded_bits, SMALLEST_WEIGHT)
    if name == "dynamic":
        # What is small or has no kernel beside floats.
        data = store_weights(data, 8, SMALLEST_WEIGHT, rounds=True)
    return sign(data if keep_names else strip(data), *ends)


def _with_trained_weights(data, name, widths):
    for num_bits in widths:
        if name == "int4" and num_bits <= 4:
            data = restore_grid(data, num_bits, stored_bits=4)
        if num_bits < 8:
            # All but those that have become INT4.
            data = restore_grid(data, num_bits)
    return data
