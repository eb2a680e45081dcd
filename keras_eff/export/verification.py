import dataclasses

import keras

from keras_eff.export.changing_state import cycled
from keras_eff.export.comparison import Comparison
from keras_eff.export.comparison import compare
from keras_eff.export.comparison import keras_outputs
from keras_eff.graph.end_names import end_names
from keras_eff.graph.samples import batches
from keras_eff.layers.sublayers import layers_of
from keras_eff.lowering.lowering import Lowering

_BATCH = 32


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

    Args:
        model: The Keras model that was given.
        converted: What `keras_eff.export.preparation.prepare` made of it.
        split: A `keras_eff.export.held_out.SampleSplit`.
        execution: What the file returned for `split.compared`.
        steps: What `keras_eff.export.output_steps.output_steps` returned.
        batch_size: Integer, that of the file, where the outputs depend on it,
            as random numbers do; None for any.

    Returns:
        Tuple of two of `Comparison`: with `model`, with `converted`.
    """
    names = end_names(model)[1]

    def compared(model, samples):
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
    feeds = batches(reference, samples, batch_size or _BATCH)
    return [array[:count] for array in keras_outputs(reference, feeds)]
