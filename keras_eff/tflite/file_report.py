import dataclasses

from keras_eff.tflite.file_weights import text_of

_LISTED_FLOAT_TENSORS = 10


@dataclasses.dataclass(frozen=True)
class TensorInfo:
    """One tensor of a .tflite file.

    Args:
        subgraph: Number of its graph in the file; 0 is the main graph, others
            are bodies of loops and branches.
        index: Number of the tensor in its graph.
        name: Its name; empty if the file has been stripped of it.
        shape: Its shape, with -1 for dimensions that the file leaves open.
        dtype: Name of its type: `"int8"`, `"float32"`, `"bool"`, ...
        is_constant: Whether the file holds its values.
        is_sparse: Whether it holds them without zeros.
        scales: Its quantization scales: one, one per channel, or none.
        zero_points: Its zero points, one for each scale.
        quantized_axis: The axis that the scales belong to, or None where there
            is one scale or none.
        size_bytes: What its values take in the file, in bytes; 0 if it is not
            constant. Tensors of equal values may share them.
    """

    subgraph: int
    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    is_constant: bool
    is_sparse: bool
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    quantized_axis: int | None
    size_bytes: int

    @property
    def scale(self) -> float | None:
        """The scale of a tensor that has one, else None."""
        return self.scales[0] if len(self.scales) == 1 else None

    @property
    def zero_point(self) -> int | None:
        """The zero point of a tensor that has one scale, else None."""
        if len(self.scales) != 1:
            return None
        # A file leaves out what is 0.
        return self.zero_points[0] if self.zero_points else 0

    def __str__(self):
        quantization = f" * {self.scale:.6g}" if self.scale else ""
        if self.zero_point:
            quantization = f" (- {self.zero_point}){quantization}"
        return f"{self.name} {self.dtype}{list(self.shape)}{quantization}"


@dataclasses.dataclass(frozen=True)
class FileReport:
    """What a .tflite file holds; print it for a summary.

    Args:
        size_bytes: Size of the file, in bytes.
        gzip_bytes: Its size after gzip level 9, in bytes.
        ops: {operator name: number of uses}, over all graphs.
        op_versions: {operator name: its versions in the file}.
        inputs: The inputs of the main graph, in the file's order.
        outputs: The outputs of the main graph, in the file's order.
        tensors: All tensors of all graphs.
        float_tensors: Names of the float tensors of any width that an operator
            reads or writes; `"SOFTMAX:0 (#12)"` is the nameless tensor 12,
            the first output of a SOFTMAX.
        weight_bytes: {name of a type: what weights of it take, in bytes}.
            Weights are constants of two dimensions or more, floats or with a
            scale; values that several tensors share count once.
    """

    size_bytes: int
    gzip_bytes: int
    ops: dict[str, int]
    op_versions: dict[str, tuple[int, ...]]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    tensors: tuple[TensorInfo, ...]
    float_tensors: tuple[str, ...]
    weight_bytes: dict[str, int]

    def __str__(self):
        return "\n".join(
            [
                f"size    {self.size_bytes:,} bytes, "
                f"{self.gzip_bytes:,} after gzip",
                *_section("weights", [text_of(self.weight_bytes)]),
                *_section("inputs", self.inputs),
                *_section("outputs", self.outputs),
                *_section("ops", self._op_lines()),
                *_section("float", self._float_lines()),
            ]
        )

    def _op_lines(self):
        ranked = sorted(self.ops.items(), key=lambda item: (-item[1], item[0]))
        width = max((len(name) for name in self.ops), default=0)
        return [
            f"{name:<{width}} {count:>4}  version "
            + ", ".join(map(str, self.op_versions[name]))
            for name, count in ranked
        ]

    def _float_lines(self):
        listed = self.float_tensors[:_LISTED_FLOAT_TENSORS]
        rest = len(self.float_tensors) - len(listed)
        more = [f"and {rest} more"] if rest else []
        return [*listed, *more] or ["none"]


def _section(title, lines):
    """Indents the lines, the first one behind its title."""
    titles = [title, *[""] * len(lines)]
    return [f"{t:<8}{line}" for t, line in zip(titles, lines, strict=False)]
