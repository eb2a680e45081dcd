import os

import numpy as np
from absl import logging

from keras_eff.debugging.debug import debug

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

    Args:
        model: The Keras model.
        path: Path of its file.
        samples: List of arrays, one for each input.
        outputs: The numbers of the outputs that are wrong: only layers that
            one of them depends on are named.
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
