import keras

from keras_eff.export.changing_state import cycled
from keras_eff.export.comparison import compare
from keras_eff.export.comparison import keras_outputs
from keras_eff.export.lowering import Lowering
from keras_eff.layers.sublayers import layers_of
from keras_eff.transforms.samples import batches

COMPARED_BATCH = 32


def in_full_precision(model):
    """The model, or its clone in float32 where it computes in less."""
    layers = layers_of(model, keras.layers.Layer)
    if not any("float16" in layer.compute_dtype for layer in layers):
        return model
    return Lowering({}).lower(model)


def verify(model, samples, execution, limit, batch_size=COMPARED_BATCH):
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


def compare_with(model, samples, execution, batch_size=COMPARED_BATCH):
    """How far both runs of a file are from a Keras model."""
    count = len(samples[0])
    padded = cycled(samples, min(batch_size, count))
    expected = keras_outputs(model, batches(model, padded, batch_size))
    return compare([x[:count] for x in expected], execution)
