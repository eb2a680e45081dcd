from keras_eff.edgetpu.compiler_log import CompiledModel
from keras_eff.edgetpu.compiler_log import EdgeTpuLog
from keras_eff.edgetpu.lint_report import EdgeTpuLint
from keras_eff.edgetpu.report import EdgeTpuReport

LINT = EdgeTpuLint((), (), 0, 8_000_000)


def test_it_prints_what_each_segment_became():
    first = CompiledModel(
        total_operations=5,
        tpu_operations=4,
        on_chip_used_bytes=1_500_000,
        off_chip_bytes=0,
    )
    log = EdgeTpuLog("16.0", True, None, (first, CompiledModel()))
    report = EdgeTpuReport(("a", "b"), "m_int8.tflite", LINT, log, None)
    assert str(report).splitlines() == [
        "int8      m_int8.tflite",
        "expected  0 of 0 operations map; weights 0 kB of ~8 MB",
        "compiler  16.0",
        "compiled  a",
        "          4 of 5 operations on the Edge TPU; 1.5 MB of weights on "
        "the chip; 0 kB streamed",
        "compiled  b",
        "          ? of ? operations on the Edge TPU; ? of weights on the "
        "chip; ? streamed",
    ]


def test_it_says_that_there_was_no_compiler():
    report = EdgeTpuReport((), "m_int8.tflite", LINT, None, None)
    assert "no: there is no edgetpu_compiler" in str(report)
