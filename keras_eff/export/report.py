import dataclasses

from keras_eff.export.comparison import Comparison
from keras_eff.export.comparison import short
from keras_eff.tflite.file_weights import text_of


@dataclasses.dataclass(frozen=True)
class Report:
    """What `keras_eff.export.to_tflite` wrote, and what was measured on it.

    Attributes:
        path: String, the file.
        size_bytes: Integer, its size in bytes.
        gzip_bytes: Integer, its size after gzip -9, in bytes: what a download
            or an app package takes.
        ops: Dict from operator names to counts.
        float_tensors: Tuple of the float tensors that an operator reads or
            writes; empty when the file computes with integers alone.
        weight_bytes: Dict from names of types, such as "int8", to what the
            weights of that type take in the file, in bytes. Vectors, such as
            biases, do not count.
        delegate_partitions: Integer. A delegate partition is a connected
            piece of the graph that the default delegate (XNNPACK, the fast
            kernels of the runtime) takes over; operators between the pieces
            run in the slower builtin kernels. 1 is best, 0 means that it
            takes nothing.
        seconds: Float, time for all of this, in seconds.
        against_model: `keras_eff.export.Comparison` with the model that was
            given, output by output: what a report prints first.
        against_rounded: The same with the clone that was rounded for the file,
            as for "int8" and weight-only files: whether it computes what was
            meant. None where the model itself was converted.
        samples_kind: String, the samples of `against_model`: "given";
            "held-out", which the ranges of the file were not taken from; or
            "random".
    """

    path: str
    size_bytes: int
    gzip_bytes: int
    ops: dict[str, int]
    float_tensors: tuple[str, ...]
    weight_bytes: dict[str, int]
    delegate_partitions: int
    seconds: float
    against_model: Comparison
    against_rounded: Comparison | None
    samples_kind: str

    @property
    def max_abs_error(self) -> float:
        """Largest difference to what was meant, in units of the output.

        That is to the Keras model, or to its clone that was rounded for the
        file. Over the samples, the outputs, and both resolvers (the default
        delegate and the builtin kernels).
        """
        return self._meant.max_abs_error

    @property
    def mean_lsb(self) -> float | None:
        """Mean difference to the same, in steps of the output's integers."""
        return self._meant.mean_lsb

    @property
    def agreement(self) -> float | None:
        """Share of the samples with the same largest output as the same."""
        return self._meant.agreement

    @property
    def float_agreement(self) -> float | None:
        """The same against the float model, where a clone was rounded."""
        is_rounded = self.against_rounded is not None
        return self.against_model.agreement if is_rounded else None

    @property
    def _meant(self):
        return self.against_rounded or self.against_model

    def __str__(self):
        return "\n".join(
            (
                f"{self.path}: {self.size_bytes:,} bytes "
                f"({self.gzip_bytes:,} gzip)",
                *self._comparison_lines(),
                f"  weights: {text_of(self.weight_bytes)}",
                f"  float tensors {len(self.float_tensors)}, delegate "
                f"partitions {self.delegate_partitions}",
                "  " + ", ".join(f"{n} {c}" for n, c in self.ops.items()),
            )
        )

    def _comparison_lines(self):
        """The lines on what the file returns: the user's model first."""
        first = self.against_model
        kind = "" if self.samples_kind == "given" else f"{self.samples_kind} "
        samples = f" ({first.num_samples} {kind}samples)"
        lines = _lines("against the model", first, samples)
        worst = first.worst_channel
        if worst is not None and short(worst[-1]) != short(first.r2):
            name, channel, r2 = worst
            lines.append(f"  worst channel: {name}[{channel}], R2 {short(r2)}")
        if self.against_rounded is not None:
            lines += _lines("against it rounded", self.against_rounded)
        return lines


def _lines(title, comparison, samples=""):
    """A line; one for each output, in its own units, of several."""
    if len(comparison.outputs) == 1:
        return [f"  {title}: {comparison}{samples}"]
    rows = (f"    {row.name}: {row}" for row in comparison.outputs)
    return [f"  {title}{samples}:", *rows]
