"""Whether a file computes what the Keras model computes."""

import dataclasses

import numpy as np

from keras_eff.export.execution import Execution


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How far a file's outputs are from a Keras model's, at worst.

    Over all outputs of the model, and over the default delegate and the
    builtin kernels.

    Attributes:
        max_abs_error: Largest absolute difference, in units of the output.
        mean_lsb: Mean absolute difference in steps of the output's integers;
            None where no output is an integer tensor.
        mean_share: Mean absolute difference over the largest magnitude that
            the Keras model returns.
        agreement: Share, in [0, 1], of the positions where the largest value
            along the last axis is in the same place; None where no output has
            two values there.
    """

    max_abs_error: float
    mean_lsb: float | None
    mean_share: float
    agreement: float | None


def compare(expected: list[np.ndarray], execution: Execution) -> Comparison:
    """Compares both runs of a file with the outputs of a Keras model."""
    rows = [
        _compare_one(*row)
        for outputs in (execution.delegate, execution.builtin)
        for row in zip(expected, outputs, execution.output_scales, strict=True)
    ]
    return Comparison(
        max_abs_error=max(row.max_abs_error for row in rows),
        mean_lsb=_worst(max, (row.mean_lsb for row in rows)),
        mean_share=max(row.mean_share for row in rows),
        agreement=_worst(min, (row.agreement for row in rows)),
    )


def _worst(choose, values):
    return choose((v for v in values if v is not None), default=None)


def _compare_one(expected, actual, scale):
    if expected.shape != actual.shape:
        raise RuntimeError(
            "The file returns another shape than the Keras model. Received: "
            f"{actual.shape} from the file, {expected.shape} from Keras"
        )
    expected = expected.astype("float64")
    errors = np.abs(actual.astype("float64") - expected)
    peak = np.max(np.abs(expected))
    is_choice = expected.ndim > 1 and expected.shape[-1] > 1
    same = np.argmax(actual, axis=-1) == np.argmax(expected, axis=-1)
    return Comparison(
        max_abs_error=float(np.max(errors)),
        mean_lsb=float(np.mean(errors) / scale) if scale else None,
        mean_share=float(np.mean(errors) / peak if peak else np.mean(errors)),
        agreement=float(np.mean(same)) if is_choice else None,
    )


def keras_outputs(model, batches) -> list[np.ndarray]:
    """What the model returns, one array for each output, in flat order.

    Each batch starts from the state that the model has, as a file does: from
    that of its seeds, for one.
    """
    # Here, as two files are compared without Keras.
    import keras

    parts = []
    for batch in batches:
        with keras.StatelessScope():
            outputs = keras.tree.flatten(model(batch, training=False))
        parts.append([keras.ops.convert_to_numpy(x) for x in outputs])
    return [np.concatenate(column) for column in zip(*parts, strict=True)]
