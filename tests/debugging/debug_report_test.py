import math

from keras_eff.debugging.debug_report import DebugReport
from keras_eff.debugging.debug_report import TensorError


def report_of(*pairs):
    rows = [
        TensorError(
            f"layer{i}", "CONV_2D", i, sqnr, drop, 0.5, 3.0, 0.1, 4, (0,)
        )
        for i, (sqnr, drop) in enumerate(pairs)
    ]
    return DebugReport("m.tflite", tuple(rows), 2, 16)


def test_the_worst_have_the_largest_drop_then_the_least_ratio():
    report = report_of((30.0, 0.0), (-2.0, 0.0), (5.0, 25.0), (math.inf, 0.0))
    assert [row.tensor for row in report.worst()] == [2, 1, 0, 3]
    assert [row.tensor for row in report.worst(1)] == [2]


def test_it_prints_the_worst_first():
    text = str(report_of((30.0, 0.0), (5.0, 25.0))).splitlines()
    assert text[0].startswith("m.tflite: 2 tensors against Keras, 16 samples")
    assert text[2].split() == [
        "layer1",
        "CONV_2D",
        *("1", "5.0", "25.0", "0.50", "3", "0.1"),
    ]
    assert text[-1] == "2 tensors belong to no layer"


def test_a_long_table_is_cut():
    lines = str(report_of(*[(30.0, 0.0)] * 25)).splitlines()
    assert len(lines) == 24 and "and 5 more" in lines[-2]


def test_a_float_tensor_has_no_steps():
    row = TensorError("a", "ADD", 1, 90.0, 0.0, None, None, None, 4, ())
    lines = str(DebugReport("m.tflite", (row,), 0, 1)).splitlines()
    assert "LSB" not in lines[1] and lines[2].split()[-1] == "0.0"
