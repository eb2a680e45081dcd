import numpy as np
import pytest

from keras_eff.export.comparison import compare
from keras_eff.export.report import Report
from keras_eff.tflite.execution import Execution

EXPECTED = np.random.default_rng(0).normal(size=(40, 3)) * [9.0, 9.0, 1.0]


def compared(noise, scale=0.5):
    actual = EXPECTED + noise
    execution = Execution([actual], [actual], 1, [scale])
    return compare([EXPECTED], execution, ["scores"])


def report(**changes):
    figures = {
        "path": "m.tflite",
        "size_bytes": 12345,
        "gzip_bytes": 6789,
        "ops": {"CONV_2D": 2},
        "float_tensors": (),
        "weight_bytes": {"float32": 1000, "int8": 3000},
        "delegate_partitions": 1,
        "seconds": 2.0,
        "against_model": compared(0.25),
        "against_rounded": None,
        "samples_kind": "given",
    }
    return Report(**{**figures, **changes})


def test_text_has_the_figures():
    text = str(report())
    for part in (
        "12,345 bytes",
        "6,789 gzip",
        "0.50 LSB",
        "1.000",
        "CONV_2D",
        "float32 1,000 bytes (25%), int8 3,000 bytes (75%)",
    ):
        assert part in text
    assert "LSB" not in str(report(against_model=compared(0.25, None)))


def test_the_model_that_was_given_comes_first():
    row = report(
        against_model=compared(4.0),
        against_rounded=compared(0.25),
        samples_kind="held-out",
    )
    _, first, worst, second, *_ = str(row).splitlines()
    assert first.startswith("  against the model: agreement 1.000, R2 0.")
    assert first.endswith("max 4, mean 8.00 LSB (40 held-out samples)")
    assert worst.startswith("  worst channel: scores[2], R2 -")
    assert second.startswith("  against it rounded: agreement 1.000, R2")


def test_figures_of_what_was_meant_are_those_of_the_rounded_model():
    alone = report()
    assert (alone.max_abs_error, alone.mean_lsb) == pytest.approx((0.25, 0.5))
    assert (alone.agreement, alone.float_agreement) == (1.0, None)
    other = report(against_model=compared(-EXPECTED))
    assert other.float_agreement is None
    rounded = report(
        against_model=compared(-2 * EXPECTED), against_rounded=compared(0.25)
    )
    assert rounded.max_abs_error == alone.max_abs_error
    assert rounded.agreement == 1.0 and rounded.float_agreement == 0.0


def test_several_outputs_have_a_line_each():
    expected, actual = [EXPECTED, EXPECTED[:, :1]], [EXPECTED + 0.25] * 2
    actual[1] = expected[1] + 4.0
    run = Execution(actual, actual, 1, [None, None])
    both = compare(expected, run, ["scores", "size"])
    text = str(report(against_model=both, against_rounded=both))
    _, title, first, second, rounded, again, *_ = text.splitlines()
    assert title == "  against the model (40 samples):"
    assert first.startswith("    scores: agreement") and "max 0.25" in first
    assert second.startswith("    size: R2 ") and second.endswith("max 4")
    assert (rounded, again) == ("  against it rounded:", first)
