import dataclasses

from keras_eff.edgetpu.compiler_log import EdgeTpuLog
from keras_eff.edgetpu.lint_report import EdgeTpuLint
from keras_eff.edgetpu.lint_report import readable_size
from keras_eff.export.report import Report


@dataclasses.dataclass(frozen=True)
class EdgeTpuReport:
    """What `to_edgetpu` wrote; print it for a summary.

    Args:
        paths: Tuple of strings, the compiled files: one, or one for each
            segment, in the order they run in; none without a compiler.
        int8_path: String, the .tflite file that was compiled, or is to be.
        lint: What the file was expected to map, an `EdgeTpuLint`.
        compiled: What the compiler says, an `EdgeTpuLog`, or `None` without
            one.
        conversion: How the int8 file compares with the Keras model, a
            `Report`, or `None` if the file was given.
    """

    paths: tuple[str, ...]
    int8_path: str
    lint: EdgeTpuLint
    compiled: EdgeTpuLog | None
    conversion: Report | None

    def __str__(self):
        return "\n".join(
            [
                f"int8      {self.int8_path}",
                *self._agreement_lines(),
                f"expected  {self.lint.summary}",
                *self._compiled_lines(),
            ]
        )

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
    return "?" if size is None else readable_size(size)
