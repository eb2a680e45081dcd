import dataclasses

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
class EdgeTpuLint:
    """What the Edge TPU compiler is expected to make of a file; print it.

    Args:
        rows: Tuple of `EdgeTpuRow`, one for each operation, in order.
        refusals: Tuple of strings, the operations for which the compiler
            cannot read the file at all; empty if it can.
        weight_bytes: Integer, bytes of constants of the operations that map.
        on_chip_bytes: Integer, about how many of them the chip keeps; the
            rest is sent to it at each inference.
    """

    rows: tuple[EdgeTpuRow, ...]
    refusals: tuple[str, ...]
    weight_bytes: int
    on_chip_bytes: int

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
        """The last line of the table."""
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
        text = f"weights {readable_size(self.weight_bytes)} of {chip}"
        if self.streamed_bytes:
            streamed = readable_size(self.streamed_bytes)
            text += f", {streamed} streamed at each inference"
        return text

    def __str__(self):
        op = max([len(row.op) for row in self.rows], default=0)
        index = max(len(str(self.total)), 1)
        lines = [
            f"{row.index:>{index}}  {row.op:<{op}}  "
            f"{'maps' if row.maps else 'CPU ':<4}  {row.reason}".rstrip()
            for row in self.rows
        ]
        return "\n".join([*lines, self.summary])


def readable_size(size: int) -> str:
    """A number of bytes in kilobytes or megabytes, to three digits."""
    if size < _MEGABYTE:
        return f"{size / _KILOBYTE:.3g} kB"
    return f"{size / _MEGABYTE:.3g} MB"
