import dataclasses

from keras_eff.table import format_table

_COLUMNS = {
    "layer": "",
    "operator": "",
    "tensor": "d",
    "SQNR, dB": ".1f",
    "drop, dB": ".1f",
    "mean LSB": ".2f",
    "max LSB": ".0f",
    "scale": ".4g",
}
_LISTED = 20
_WORST = 5


@dataclasses.dataclass(frozen=True)
class TensorError:
    """How far a tensor of a .tflite file is from the layer it stands for.

    Attributes:
        layer: String, name of the Keras layer or operation.
        op: String, the operator of the file that computes it; "INPUT" for a
            quantized input.
        tensor: Integer, its number in the main graph of the file.
        sqnr_db: Float, `10 log10(sum(keras**2) / sum((keras - file)**2))`:
            infinite where both are equal, -infinite where the file returns
            NaN. About 6 dB are one bit.
        drop_db: Float in [0, 40], how much of it is lost here: the least
            `sqnr_db` of the tensors that it is computed from less its own,
            both limited to [0, 40]. The error of a layer that only passes
            on what it receives is 0.
        mean_lsb: Float, mean difference in steps of its integers; None where
            it is not quantized.
        max_lsb: Float, largest difference in steps of its integers, or None.
        scale: Float, its scale, or None.
        elements: Integer, its values per sample.
        outputs: Tuple of integers, the outputs that depend on it, in the file
            and in the model, by their numbers.
    """

    layer: str
    op: str
    tensor: int
    sqnr_db: float
    drop_db: float
    mean_lsb: float | None
    max_lsb: float | None
    scale: float | None
    elements: int
    outputs: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class DebugReport:
    """Where a .tflite file departs from its Keras model; print it.

    Attributes:
        path: String, the file.
        rows: Tuple of `TensorError`, in the file's order of execution.
        num_unmatched: Integer, tensors that the file computes and that belong
            to no layer: steps inside a layer, changes of layout.
        num_samples: Integer, how many samples it was found with.
    """

    path: str
    rows: tuple[TensorError, ...]
    num_unmatched: int
    num_samples: int

    def worst(self, n: int = _WORST) -> tuple[TensorError, ...]:
        """The `n` rows to look at first: largest drop, then least SQNR."""
        ranked = sorted(self.rows, key=lambda row: (-row.drop_db, row.sqnr_db))
        return tuple(ranked[:n])

    def __str__(self):
        shown = self.worst(_LISTED)
        rows = (
            (
                row.layer,
                row.op,
                row.tensor,
                row.sqnr_db,
                row.drop_db,
                row.mean_lsb,
                row.max_lsb,
                row.scale,
            )
            for row in shown
        )
        rest = len(self.rows) - len(shown)
        return "\n".join(
            [
                f"{self.path}: {len(self.rows)} tensors against Keras, "
                f"{self.num_samples} samples, worst first",
                format_table(_COLUMNS, rows),
                *([f"and {rest} more"] if rest else []),
                f"{self.num_unmatched} tensors belong to no layer",
            ]
        )
