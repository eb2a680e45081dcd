from keras_eff.edgetpu.lint_report import EdgeTpuLint
from keras_eff.edgetpu.lint_report import EdgeTpuRow

MAPPED = EdgeTpuRow(0, "CONV_2D", 3, True, "")
REASON = "the operation is not supported"
UNMAPPED = EdgeTpuRow(1, "HARD_SWISH", 1, False, REASON)


def lint(*rows, refusals=(), weight_bytes=1_200_000):
    return EdgeTpuLint(rows, refusals, weight_bytes, 8_000_000)


def test_it_prints_as_a_table():
    assert str(lint(MAPPED, UNMAPPED)) == (
        "0  CONV_2D     maps\n"
        "1  HARD_SWISH  CPU   the operation is not supported\n"
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
        "0 of 0 operations map; weights 0 kB of ~8 MB"
    )
