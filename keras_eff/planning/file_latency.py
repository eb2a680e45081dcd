"""How fast the file of a model runs."""

import math

import keras

from keras_eff.atomic_write import temporary_folder

_RUNS = 30


def file_latency_ms(model: keras.Model, runner=None) -> float:
    """The median latency of the float file of a model, in milliseconds."""
    # Exporting takes a moment to import, and only this needs it.
    from keras_eff.export.to_tflite import to_tflite
    from keras_eff.latency.measure import measure

    with temporary_folder() as folder:
        path = folder / "model.tflite"
        # The file is measured, not used.
        to_tflite(model, path, tolerance=math.inf, min_agreement=0.0)
        return measure(path, 1, _RUNS, runner).median_ms
