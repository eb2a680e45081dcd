import dataclasses
import warnings

from keras_eff.edgetpu.compiler_log import EdgeTpuLog
from keras_eff.export.report import Report
from keras_eff.table import format_table

_KILOBYTE = 1_000
_MEGABYTE = 1_000_000


@dataclasses.dataclass(frozen=True)
class EdgeTpuRow:
    """What becomes of one operation of a file on the Edge TPU.

    Args:
        index: Integer, its number in the main graph.
        op: String, the name of the operation.
        version: Integer, its version.
        maps: Boolean, whether the Edge TPU computes it.
        reason: String, why not; empty if it maps.
    """

    index: int
    op: str
    version: int
    maps: bool
    reason: str

    def __str__(self):
        return f"#{self.index} {self.op}"


@dataclasses.dataclass(frozen=True)
class EdgeTpuReport:
    """What the Edge TPU makes of a file; print it for a summary.

    `lint_edgetpu` tells what is expected; `to_edgetpu` also what it wrote.

    Args:
        rows: Tuple of `EdgeTpuRow`, one for each operation, in order.
        refusals: Tuple of strings, the operations for which the compiler
            cannot read the file at all; empty if it can.
        weight_bytes: Integer, bytes of constants of the operations that map.
        on_chip_bytes: Integer, about how many of them the chip keeps; the
            rest is sent to it at each inference.
        paths: Tuple of strings, the compiled files: one, or one for each
            segment, in the order they run in; none without a compiler.
        int8_path: String, the .tflite file that was compiled, or is to be;
            `None` of `lint_edgetpu`.
        compiled: What the compiler says, an `EdgeTpuLog`, or `None` without
            one.
        conversion: How the int8 file compares with the Keras model, a
            `Report`, or `None` if the file was given.
    """

    rows: tuple[EdgeTpuRow, ...]
    refusals: tuple[str, ...]
    weight_bytes: int
    on_chip_bytes: int
    paths: tuple[str, ...] = ()
    int8_path: str | None = None
    compiled: EdgeTpuLog | None = None
    conversion: Report | None = None

    @property
    def parses(self) -> bool:
        """Whether the compiler can read the file."""
        return not self.refusals

    @property
    def mapped(self) -> int:
        """How many operations map to the Edge TPU."""
        return sum(row.maps for row in self.rows)

    @property
    def total(self) -> int:
        """How many operations there are."""
        return len(self.rows)

    @property
    def first_cpu_op(self) -> EdgeTpuRow | None:
        """The first operation that the CPU computes, or `None`."""
        return next((row for row in self.rows if not row.maps), None)

    @property
    def streamed_bytes(self) -> int:
        """About how many bytes of weights do not fit on the chip."""
        return max(0, self.weight_bytes - self.on_chip_bytes)

    @property
    def summary(self) -> str:
        """What is expected, in a line."""
        if self.refusals:
            return "the compiler cannot read the file: " + "; ".join(
                self.refusals
            )
        parts = [f"{self.mapped} of {self.total} operations map"]
        if first := self.first_cpu_op:
            parts.append(f"first on the CPU: {first} ({first.reason})")
        return "; ".join([*parts, self._weights()])

    def _weights(self):
        chip = f"~{self.on_chip_bytes / _MEGABYTE:.0f} MB"
        text = f"weights {_readable_size(self.weight_bytes)} of {chip}"
        if self.streamed_bytes:
            streamed = _readable_size(self.streamed_bytes)
            text += f", {streamed} streamed at each inference"
        return text

    @property
    def lint(self) -> "EdgeTpuReport":
        """Deprecated: what `lint_edgetpu` told, which is here itself."""
        warnings.warn(
            "What was in `EdgeTpuReport.lint` is in the report itself: the old "
            "name goes in keras_eff 0.3",
            DeprecationWarning,
            stacklevel=2,
        )
        return EdgeTpuReport(
            self.rows, self.refusals, self.weight_bytes, self.on_chip_bytes
        )

    def __str__(self):
        if self.int8_path is None:
            return self._table()
        return "\n".join(
            [
                f"int8      {self.int8_path}",
                *self._agreement_lines(),
                f"expected  {self.summary}",
                *self._compiled_lines(),
            ]
        )

    def _table(self):
        columns = {"#": "d", "operation": "", "runs on": "", "why": ""}
        rows = [
            (row.index, row.op, "Edge TPU" if row.maps else "CPU", row.reason)
            for row in self.rows
        ]
        return f"{format_table(columns, rows)}\n{self.summary}"

    def _agreement_lines(self):
        if self.conversion is None:
            return []
        return [f"agrees    {self.conversion.against_model}"]

    def _compiled_lines(self):
        if self.compiled is None:
            return ["compiled  no: there is no edgetpu_compiler"]
        lines = [f"compiler  {self.compiled.version}"]
        pairs = zip(self.paths, self.compiled.models, strict=False)
        for path, model in pairs:
            lines.append(f"compiled  {path}")
            lines.append(f"          {_describe(model)}")
        return lines


def _describe(model):
    """One line of what the compiler says of a model."""
    return "; ".join(
        [
            f"{_shown(model.tpu_operations)} of "
            f"{_shown(model.total_operations)} operations on the Edge TPU",
            f"{_size(model.on_chip_used_bytes)} of weights on the chip",
            f"{_size(model.off_chip_bytes)} streamed",
        ]
    )


def _shown(value):
    return "?" if value is None else str(value)


def _size(size):
    return "?" if size is None else _readable_size(size)


def _readable_size(size: int) -> str:
    """A number of bytes in kilobytes or megabytes, to three digits."""
    if size < _MEGABYTE:
        return f"{size / _KILOBYTE:.3g} kB"
    return f"{size / _MEGABYTE:.3g} MB"
