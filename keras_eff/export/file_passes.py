"""What happens to a file between the converter and the disk, in order."""

import dataclasses
import functools

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_eff.export.calibrated_conversion import convert_calibrated
from keras_eff.export.conversion import convert
from keras_eff.export.formats import Format
from keras_eff.export.preparation import SMALLEST_WEIGHT
from keras_eff.lowering.lowering import Lowering
from keras_eff.lowering.rules import RULES
from keras_eff.tflite.float_casts import drop_float_casts
from keras_eff.tflite.grid import KernelIntegers
from keras_eff.tflite.grid import restore_grids
from keras_eff.tflite.model_file import ModelFile
from keras_eff.tflite.model_file import rewrite
from keras_eff.tflite.signature import write_signature
from keras_eff.tflite.sparse_weights import check_sparsity
from keras_eff.tflite.strip_metadata import strip_metadata
from keras_eff.tflite.weight_only import store_weights


@dataclasses.dataclass(frozen=True)
class FileOptions:
    """What a file is to be.

    Attributes:
        format: One of `FORMATS`.
        io_dtype, batch_size, sparse, keep_names: See
            `keras_eff.export.to_tflite`.
        names: Names of the inputs and of the outputs: see `end_names`.
        grids: The integers of the kernels that the model rounds: see
            `known_grids`.
        shapes: Shapes of the inputs without the batch, by default the model's.
    """

    format: Format
    io_dtype: str
    names: tuple[list[str], list[str]]
    grids: list[KernelIntegers]
    batch_size: int = 1
    sparse: bool = False
    keep_names: bool = False
    shapes: list[tuple] | None = None


def model_file(
    model, options: FileOptions, samples: list[np.ndarray]
) -> ModelFile:
    """The file of a model: converted once, parsed once, packed once."""
    data = _converted(Lowering(RULES).lower(model), options, samples)
    passes = [functools.partial(change, options=options) for change in PASSES]
    return rewrite(data, passes)


def _converted(model, options, samples):
    if options.format.converted_as == "int16x8":
        return convert_calibrated(
            model,
            options.batch_size,
            options.io_dtype,
            samples,
            options.shapes,
        )
    return convert(
        model,
        options.format.converted_as,
        options.batch_size,
        options.io_dtype,
        options.sparse,
        options.shapes,
    )


def _refuse_zeros_that_are_misread(file: schema.ModelT, options):
    check_sparsity(file, options.format.converted_as)


def _drop_casts_between_integers(file, options):
    if options.format.converted_as == "int8":
        drop_float_casts(file)


def _restore_trained_weights(file, options):
    if options.format.converted_as == "int8":
        restore_grids(file, options.grids, options.format.rounded_bits or 8)


def _store_weights_as_integers(file, options):
    chosen = options.format
    if chosen.is_weight_only:
        store_weights(
            file, chosen.rounded_bits, SMALLEST_WEIGHT, grids=options.grids
        )
    if chosen.converted_as == "dynamic":
        # What is small or has no kernel beside floats.
        store_weights(file, 8, SMALLEST_WEIGHT, rounds=True)


def _strip_metadata(file, options):
    if not options.keep_names:
        strip_metadata(file)


def _write_signature(file, options):
    write_signature(file, *options.names)


PASSES = (
    _refuse_zeros_that_are_misread,
    _drop_casts_between_integers,
    _restore_trained_weights,
    _store_weights_as_integers,
    _strip_metadata,
    _write_signature,
)
