"""The child process of `convert_calibrated`: converts to 16-bit integers."""

import pathlib
import warnings

import numpy as np
import tensorflow as tf


def main(payload: dict) -> dict:
    """Converts a SavedModel, with the ranges that samples give.

    Args:
        payload: Paths: `model` of the SavedModel, whose `run` is the function
            to convert, `samples` of its inputs, `file` to write; and
            `io_dtype`, the type of inputs and outputs.
    """
    warnings.simplefilter("ignore")
    module = tf.saved_model.load(payload["model"])
    (function,) = module.run.concrete_functions
    with np.load(payload["samples"]) as arrays:
        samples = [arrays[name] for name in arrays.files]
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: _batches(function, samples)
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
        # In float, what has no kernel for 16 bits.
        tf.lite.OpsSet.TFLITE_BUILTINS,
    ]
    io_type = tf.as_dtype(payload["io_dtype"])
    converter.inference_input_type = io_type
    converter.inference_output_type = io_type
    pathlib.Path(payload["file"]).write_bytes(converter.convert())
    return {}


def _batches(function, samples):
    """Batches of the function's size, the last filled with its last sample."""
    batch, count = function.inputs[0].shape[0], len(samples[0])
    for start in range(0, count, batch):
        rows = np.arange(start, start + batch).clip(max=count - 1)
        yield [array[rows] for array in samples]
