import dataclasses

import keras

from keras_eff.export.comparison import Comparison
from keras_eff.export.comparison import compare
from keras_eff.export.comparison import keras_outputs
from keras_eff.export.lowering import Lowering
from keras_eff.layers.sublayers import layers_of
from keras_eff.transforms.graph import producer
from keras_eff.transforms.samples import batches

_BATCH = 32


def _in_full_precision(model):
    """The model, or its clone in float32 where it computes in less."""
    layers = layers_of(model, keras.layers.Layer)
    if not any("float16" in layer.compute_dtype for layer in layers):
        return model
    return Lowering({}).lower(model)


def compare_both(model, converted, split, execution, steps):
    """Compares a file with the model that was given, and with its clone.

    Args:
        model: The Keras model that was given.
        converted: What `keras_eff.export.preparation.prepare` made of it.
        split: A `keras_eff.export.held_out.SampleSplit`.
        execution: What the file returned for `split.compared`.
        steps: What `keras_eff.export.output_steps.output_steps` returned.

    Returns:
        Tuple of two of `Comparison`: with `model`, with `converted`.
    """
    meant = given = _compare_with(converted, split.compared, execution, steps)
    if converted is not model or split.is_held_out:
        given = _compare_with(model, split.judged, execution, steps)
    return given, meant


def _compare_with(model, samples, execution, steps) -> Comparison:
    """Compares with the first samples of those that were executed."""
    count = len(samples[0])
    execution = dataclasses.replace(
        execution,
        delegate=[array[:count] for array in execution.delegate],
        builtin=[array[:count] for array in execution.builtin],
    )
    reference = _in_full_precision(model)
    expected = keras_outputs(reference, batches(reference, samples, _BATCH))
    names = [producer(tensor).name for tensor in model.outputs]
    names = [name.removesuffix("_fake_quant") for name in names]
    return compare(expected, execution, names, steps)
