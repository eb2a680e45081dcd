import pytest

import keras_eff
from keras_eff.edgetpu.compiler_log import CompiledModel
from keras_eff.edgetpu.compiler_log import EdgeTpuLog
from keras_eff.edgetpu.report import EdgeTpuReport
from keras_eff.edgetpu.report import EdgeTpuRow

EMPTY = ((), (), 0, 8_000_000)
MAPPED = EdgeTpuRow(0, "CONV_2D", 3, True, "")
REASON = "the operation is not supported"
UNMAPPED = EdgeTpuRow(1, "HARD_SWISH", 1, False, REASON)


def lint(*rows, refusals=(), weight_bytes=1_200_000):
    return EdgeTpuReport(rows, refusals, weight_bytes, 8_000_000)


def test_it_prints_as_a_table():
    assert str(lint(MAPPED, UNMAPPED)) == (
        "#  operation   runs on   why\n"
        "0  CONV_2D     Edge TPU\n"
        "1  HARD_SWISH  CPU       the operation is not supported\n"
        "1 of 2 operations map; first on the CPU: #1 HARD_SWISH "
        "(the operation is not supported); weights 1.2 MB of ~8 MB"
    )


def test_a_file_that_maps_whole_names_no_operation():
    found = lint(MAPPED)
    assert found.summary == "1 of 1 operations map; weights 1.2 MB of ~8 MB"
    assert found.first_cpu_op is None


def test_weights_that_do_not_fit_are_told():
    found = lint(MAPPED, weight_bytes=12_000_000)
    assert found.streamed_bytes == 4_000_000
    assert found.summary.endswith(
        "weights 12 MB of ~8 MB, 4 MB streamed at each inference"
    )


def test_a_file_that_is_refused_says_so():
    found = lint(UNMAPPED, refusals=("#1 EXP is young", "#2 EXP is young"))
    assert not found.parses
    assert found.summary == (
        "the compiler cannot read the file: #1 EXP is young; #2 EXP is young"
    )


def test_a_file_without_operations_prints():
    assert str(lint(weight_bytes=0)) == (
        "#  operation  runs on  why\n"
        "0 of 0 operations map; weights 0 kB of ~8 MB"
    )


def test_it_prints_what_each_segment_became():
    first = CompiledModel(
        total_operations=5,
        tpu_operations=4,
        on_chip_used_bytes=1_500_000,
        off_chip_bytes=0,
    )
    log = EdgeTpuLog("16.0", True, None, (first, CompiledModel()))
    report = EdgeTpuReport(*EMPTY, ("a", "b"), "m_int8.tflite", log)
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
    report = EdgeTpuReport(*EMPTY, int8_path="m_int8.tflite")
    assert "no: there is no edgetpu_compiler" in str(report)


def test_old_names_are_taken_with_a_warning():
    report = EdgeTpuReport(*EMPTY, int8_path="m_int8.tflite")
    with pytest.warns(DeprecationWarning, match="in the report itself.* 0.3"):
        assert report.lint == EdgeTpuReport(*EMPTY)
    with pytest.warns(DeprecationWarning, match="export.EdgeTpuReport now"):
        assert keras_eff.export.EdgeTpuLint is EdgeTpuReport
