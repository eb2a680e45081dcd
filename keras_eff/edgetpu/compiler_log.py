import dataclasses
import re

from keras_eff.printable import printable

_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_VERSION = re.compile(r"Edge TPU Compiler version (\S+)")
_INPUT = re.compile(r"Input(?: model)?: (.+)")
_HEADER = re.compile(r"Operator\s+Count\s+Status")
_ROW = re.compile(r"([\w-]{1,80})\s+(\d{1,9})\s+(\S.*)")
_COMPILED = re.compile(r"Model compiled successfully in (\d{1,12}) ms")
_SUCCESSES = ("Model compiled successfully", "Compilation succeeded")
_PARTLY = "Model successfully compiled but not all operations are supported"
_DETAILS = "See the operation log file"
_FAILURES = re.compile(
    r"ERROR: .*|Invalid model: .*|Model not quantized.*"
    r"|Model could not be parsed.*|Internal compiler error.*"
    r"|Compilation failed.*|.*Segmentation fault.*"
)
_TEXTS = {"output": re.compile(r"Output(?: model)?: (.+)")}
_SIZES = {
    "input_bytes": "Input size",
    "output_bytes": "Output size",
    "on_chip_used_bytes": ("On-chip memory used for caching model parameters"),
    "on_chip_remaining_bytes": (
        "On-chip memory remaining for caching model parameters"
    ),
    "off_chip_bytes": (
        "Off-chip memory used for streaming uncached model parameters"
    ),
}
_COUNTS = {
    "subgraphs": "Number of Edge TPU subgraphs",
    "total_operations": "Total number of operations",
    "tpu_operations": "Number of operations that will run on Edge TPU",
    "cpu_operations": "Number of operations that will run on CPU",
}
_SIZE = r": (\d{1,12}(?:\.\d{1,12})?)\s?(B|KiB|MiB|GiB)\b"
_FIGURES = [
    *((name, re.compile(text + _SIZE)) for name, text in _SIZES.items()),
    *(
        (name, re.compile(text + r": (\d{1,12})\b"))
        for name, text in _COUNTS.items()
    ),
]
_MAPPED = "Mapped to Edge TPU"


@dataclasses.dataclass(frozen=True)
class OperationCount:
    """A row of the compiler's table of operations.

    Args:
        op: String, the name of the operation.
        count: Integer, how many of them share the status.
        status: String, the compiler's words.
    """

    op: str
    count: int
    status: str

    @property
    def maps(self) -> bool:
        """Whether the Edge TPU computes them."""
        return self.status == _MAPPED


@dataclasses.dataclass(frozen=True)
class CompiledModel:
    """What the compiler says of one model, or of one segment of it.

    What the text does not tell is `None`.

    Args:
        input: String, the path of the model as the compiler was given it.
        output: String, the path it wrote.
        compile_ms: Integer, the time it took, in milliseconds.
        input_bytes: Integer, size of the file that was read.
        output_bytes: Integer, size of the file that was written.
        on_chip_used_bytes: Integer, memory of the chip that holds weights.
        on_chip_remaining_bytes: Integer, memory left for weights.
        off_chip_bytes: Integer, weights sent to the chip at each inference.
        subgraphs: Integer, parts of the graph that the Edge TPU computes.
        total_operations: Integer.
        tpu_operations: Integer, operations that the Edge TPU computes.
        cpu_operations: Integer, operations that the CPU computes.
        operations: Tuple of `OperationCount`, as far as the text goes.
    """

    input: str | None = None
    output: str | None = None
    compile_ms: int | None = None
    input_bytes: int | None = None
    output_bytes: int | None = None
    on_chip_used_bytes: int | None = None
    on_chip_remaining_bytes: int | None = None
    off_chip_bytes: int | None = None
    subgraphs: int | None = None
    total_operations: int | None = None
    tpu_operations: int | None = None
    cpu_operations: int | None = None
    operations: tuple[OperationCount, ...] = ()


@dataclasses.dataclass(frozen=True)
class EdgeTpuLog:
    """What edgetpu_compiler has written.

    Args:
        version: String, of the compiler, or `None`.
        success: Boolean, whether the last model compiled; `None` if the text
            does not tell, as the compiler's log files do not.
        error: String, the compiler's words for why it failed, or `None`.
        models: Tuple of `CompiledModel`: one, or one for each segment or each
            model of the text.
    """

    version: str | None
    success: bool | None
    error: str | None
    models: tuple[CompiledModel, ...]


def read_edgetpu_log(text: str | bytes) -> EdgeTpuLog:
    """Reads what edgetpu_compiler has printed, or its `*_edgetpu.log` file.

    Args:
        text: String, or bytes, of which those that are not UTF-8 are replaced.

    Returns:
        A `keras_eff.export.EdgeTpuLog`.

    Raises:
        ValueError: If nothing in the text is the compiler's.

    Example:

    >>> text = '''Edge TPU Compiler version 16.0.384591198
    ... Model compiled successfully in 98 ms.
    ... Input model: m.tflite
    ... Output size: 1.50KiB'''
    >>> log = keras_eff.export.read_edgetpu_log(text)
    >>> log.success, log.models[0].output_bytes
    (True, 1536)
    """
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    text = printable(text, kept="\r\n\t")
    reader = _Reader()
    for line in text.splitlines():
        reader.read(line.strip())
    log = reader.log()
    if log == EdgeTpuLog(None, None, None, ()):
        raise ValueError(
            "Argument `text` must be the output or a log file of "
            f"edgetpu_compiler. Received: text={text[:200]!r}"
        )
    return log


class _Reader:
    """Takes the lines of a text, one by one."""

    def __init__(self):
        self._version = None
        self._success = None
        self._errors = []
        self._models = []
        self._compile_ms = None
        self._in_table = False

    def log(self):
        return EdgeTpuLog(
            self._version,
            self._success,
            "\n".join(self._errors) or None,
            tuple(_complete(fields) for fields in self._models),
        )

    def read(self, line):
        if self._in_table and (row := _ROW.fullmatch(line)):
            self._add(OperationCount(row[1], int(row[2]), row[3]))
        elif line:
            self._in_table = _HEADER.match(line) is not None
            if self._in_table or line.startswith((_PARTLY, _DETAILS)):
                self._model().setdefault("notices", []).append(line)
            else:
                self._read_event(line)
                self._read_figures(line)

    def _add(self, row):
        model = self._model()
        model["operations"] = (*model.get("operations", ()), row)

    def _read_event(self, line):
        if match := _VERSION.match(line):
            self._version = self._version or match[1]
        if line.startswith(_SUCCESSES):
            self._success = True
            self._errors = []
        elif _FAILURES.fullmatch(line):
            self._success = False
            self._errors.append(line)
        if match := _COMPILED.match(line):
            self._compile_ms = int(match[1])

    def _read_figures(self, line):
        if match := _INPUT.fullmatch(line):
            self._models.append(
                {"input": match[1], "compile_ms": self._compile_ms}
            )
            self._compile_ms = None
        for name, pattern in _TEXTS.items():
            if match := pattern.fullmatch(line):
                self._model()[name] = match[1]
        for name, pattern in _FIGURES:
            if match := pattern.match(line):
                self._model()[name] = _number(*match.groups())

    def _model(self):
        """The fields of the model that the lines are about."""
        if not self._models:
            self._models.append({"compile_ms": self._compile_ms})
        return self._models[-1]


def _number(digits, unit="B"):
    return round(float(digits) * _UNITS[unit])


def _complete(fields):
    """The model of some fields.

    Where everything maps, the compiler does not count: it says nothing before
    the table, or before it names the log file that holds the table.
    """
    notices = fields.pop("notices", [])
    is_partial = any(line.startswith(_PARTLY) for line in notices)
    model = CompiledModel(**fields)
    total = model.total_operations
    if not notices or is_partial or total is None:
        return model
    if model.tpu_operations is not None or model.cpu_operations is not None:
        return model
    return dataclasses.replace(model, tpu_operations=total, cpu_operations=0)
