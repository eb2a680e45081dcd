import dataclasses

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
        table = [_TITLES, *map(_cells, shown)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        rest = len(self.rows) - len(shown)
        return "\n".join(
            [
                f"{self.path}: {len(self.rows)} tensors against Keras, "
                f"{self.num_samples} samples, worst first",
                *(_line(cells, widths) for cells in table),
                *([f"  and {rest} more"] if rest else []),
                f"  {self.num_unmatched} tensors belong to no layer",
            ]
        )


_TITLES = (
    "layer",
    "operator",
    "tensor",
    "SQNR dB",
    "drop dB",
    "mean LSB",
    "max LSB",
    "scale",
)


def _cells(row):
    return (
        row.layer,
        row.op,
        str(row.tensor),
        f"{row.sqnr_db:.1f}",
        f"{row.drop_db:.1f}",
        _number(row.mean_lsb, ".2f"),
        _number(row.max_lsb, ".0f"),
        _number(row.scale, ".4g"),
    )


def _number(value, form):
    return "-" if value is None else format(value, form)


def _line(cells, widths):
    padded = [
        cell.ljust(width) if place < 2 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  " + "  ".join(padded)
