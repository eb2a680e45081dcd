import dataclasses
import os

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from keras_eff.debugging.debug import debug
from keras_eff.export.changing_state import cycled
from keras_eff.export.comparison import Comparison
from keras_eff.export.comparison import compare
from keras_eff.export.comparison import keras_outputs
from keras_eff.graph.end_names import end_names
from keras_eff.graph.samples import batches
from keras_eff.layers.cloning import layers_of
from keras_eff.lowering.lowering import Lowering

_BATCH = 32
# Where the outputs depend on the batch, which is that of the file then: as many
# of the samples tell enough.
_MOST_BATCHES = 64
_NAMED = 3
_LEAST_DB = 1.0

_WAYS_OUT = {
    "float32": "check the model with `keras_eff.export.debug`",
    "float16": 'use another format, such as "weight_only_int8"',
    "dynamic": 'use another format, such as "weight_only_int8" or "int8"',
    "weight_only_int8": 'use another format, such as "float16"',
    "weight_only_int4": 'use another format, such as "weight_only_int8"',
    "int16x8": 'give more or truer `samples`, or use "float16" or "int8"',
}
_AFTER_TRAINING = (
    'give more or truer `samples`; try `method="percentile"` or "mse"; leave '
    "these layers out with `keras_eff.quantize(model, skip=[...])` and "
    "`keras_eff.calibrate`, or train that model a little; or use another "
    'format, such as "float16" or "weight_only_int8"'
)
_OF_AWARE_MODELS = (
    "train the model on, or calibrate it on more and truer samples; or leave "
    "these layers out with `keras_eff.quantize(model, skip=[...])`"
)


def _in_full_precision(model):
    """The model, or its clone in float32 where it computes in less."""
    layers = layers_of(model, keras.layers.Layer)
    if not any("float16" in layer.compute_dtype for layer in layers):
        return model
    return Lowering({}).lower(model)


def compare_both(
    model, converted, split, execution, steps, batch_size=None
) -> tuple[Comparison, Comparison]:
    """Compares a file with the model that was given, and with its clone.

    `batch_size`: integer, that of the file, where the outputs depend on it, as
    random numbers do; None for any.

    Returns: Tuple of two of `Comparison`: with `model`, with `converted`.
    """
    names = end_names(model)[1]

    def compared(model, samples):
        if batch_size is not None:
            samples = [x[: batch_size * _MOST_BATCHES] for x in samples]
        outputs = _outputs(model, samples, batch_size)
        count = len(samples[0])
        # The first samples of those that were executed.
        executed = dataclasses.replace(
            execution,
            delegate=[array[:count] for array in execution.delegate],
            builtin=[array[:count] for array in execution.builtin],
        )
        return compare(outputs, executed, names, steps)

    meant = given = compared(converted, split.compared)
    if converted is not model or split.is_held_out:
        given = compared(model, split.judged)
    return given, meant


def _outputs(model, samples, batch_size):
    reference = _in_full_precision(model)
    count = len(samples[0])
    if batch_size is not None:
        samples = cycled(samples, batch_size)
        # Small batches: traced once, they take a tenth of the time.
        reference = tf.function(reference, autograph=False)
    feeds = batches(model, samples, batch_size or _BATCH)
    return [array[:count] for array in keras_outputs(reference, feeds)]


def way_out(name: str, is_aware: bool) -> str:
    """What to do about a file of a format that answers otherwise."""
    way = _OF_AWARE_MODELS if is_aware else _WAYS_OUT.get(name, _AFTER_TRAINING)
    return f"What to do: {way}"


def lost_layers(
    model,
    path: str | os.PathLike,
    samples: list[np.ndarray],
    outputs: list[int],
) -> str:
    """Says in which layers of a file the signal of a model is lost.

    For the end of an error, which it must not hide: where the layers cannot
    be told, it says nothing.

    `outputs`: the numbers of the outputs that are wrong: only layers that one
    of them depends on are named.
    """
    try:
        report = debug(model, path, samples)
    except Exception as error:
        logging.debug("the layers cannot be told: %s", error)
        return ""
    named = [
        f"{row.layer!r} ({row.op}: {row.drop_db:.1f} dB lost, "
        f"{row.sqnr_db:.1f} dB left)"
        for row in report.worst(len(report.rows))
        if row.drop_db >= _LEAST_DB and not set(outputs).isdisjoint(row.outputs)
    ][:_NAMED]
    return f"Most signal is lost in {', '.join(named)}. " if named else ""
