import keras

from keras_eff.export.changing_state import cycled
from keras_eff.export.comparison import compare
from keras_eff.export.comparison import keras_outputs
from keras_eff.export.lowering import Lowering
from keras_eff.layers.sublayers import layers_of
from keras_eff.transforms.samples import batches

_BATCH = 32


def in_full_precision(model):
    """The model, or its clone in float32 where it computes in less."""
    layers = layers_of(model, keras.layers.Layer)
    if not any("float16" in layer.compute_dtype for layer in layers):
        return model
    return Lowering({}).lower(model)


def verify(model, samples, execution, limit, batch_size=None):
    """Raises unless both runs of the file agree with the Keras model."""
    comparison = compare_with(model, samples, execution, batch_size)
    if not comparison.mean_share <= limit:
        raise RuntimeError(
            f"The file does not compute what model {model.name!r} computes: "
            f"mean difference {comparison.mean_share:.3g} of the largest "
            f"output (tolerance {limit:.3g}), largest difference "
            f"{comparison.max_abs_error:.3g}, agreement "
            f"{comparison.agreement}. Nothing was written"
        )
    return comparison


def compare_with(model, samples, execution, batch_size=None):
    """How far both runs of a file are from a Keras model.

    Args:
        model: Keras model.
        samples: List of arrays, one for each input.
        execution: What the file computed from them.
        batch_size: Integer, that of the file, where the outputs depend on it,
            as random numbers do; None for any.
    """
    count = len(samples[0])
    if batch_size is not None:
        samples = cycled(samples, batch_size)
    expected = keras_outputs(
        model, batches(model, samples, batch_size or _BATCH)
    )
    return compare([x[:count] for x in expected], execution)
