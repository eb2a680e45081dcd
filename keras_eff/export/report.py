import dataclasses

from keras_eff.export.file_weights import text_of


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
        max_abs_error: Float, largest difference to the Keras model over the
            samples, the outputs, and both resolvers (the default delegate and
            the builtin kernels), in units of the output.
        mean_lsb: Float, mean difference in steps of the output's integers;
            None for a float output.
        agreement: Float in [0, 1], share of the samples with the same largest
            output; None for a single number.
        float_agreement: The same against the float model, for a file of a
            model that was rounded for it, as for "int8" and weight-only files:
            all the above is against the rounded one. None otherwise.
        delegate_partitions: Integer, how many pieces of the graph the default
            delegate (XNNPACK) runs; 1 is best, 0 means that it runs none.
        seconds: Float, time for all of this, in seconds.
    """

    path: str
    size_bytes: int
    gzip_bytes: int
    ops: dict[str, int]
    float_tensors: tuple[str, ...]
    weight_bytes: dict[str, int]
    max_abs_error: float
    mean_lsb: float | None
    agreement: float | None
    float_agreement: float | None
    delegate_partitions: int
    seconds: float

    def __str__(self):
        against = [f"max {self.max_abs_error:.3g}"]
        if self.mean_lsb is not None:
            against.append(f"mean {self.mean_lsb:.2f} LSB")
        if self.agreement is not None:
            against.append(f"agreement {self.agreement:.3f}")
        return "\n".join(
            (
                f"{self.path}: {self.size_bytes:,} bytes "
                f"({self.gzip_bytes:,} gzip)",
                f"  weights: {text_of(self.weight_bytes)}",
                f"  against Keras: {', '.join(against)}",
                f"  float tensors {len(self.float_tensors)}, delegate "
                f"partitions {self.delegate_partitions}",
                "  " + ", ".join(f"{n} {c}" for n, c in self.ops.items()),
            )
        )
