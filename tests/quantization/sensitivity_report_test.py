import math

import pytest

from keras_eff.quantization.sensitivity_report import QuantizationSensitivity
from keras_eff.quantization.sensitivity_report import RoundingEffect


def effect(layer, num_bits, size_bytes, noise, kind="weights"):
    decibels = -10 * math.log10(noise) if noise else math.inf
    return RoundingEffect(
        layer, kind, num_bits, size_bytes, noise, decibels, 0.5
    )


# For each byte saved: a to 4 bits 1e-5, a to 2 bits 1e-3; b to 4 bits 2e-4.
SENSITIVITY = QuantizationSensitivity(
    (
        effect("a", 2, 25, 26e-3),
        effect("a", 8, 100, 0.0),
        effect("a", 4, 50, 5e-4),
        effect("b", 8, 40, 0.0),
        effect("b", 4, 20, 4e-3),
        effect("relu", 8, 0, 1e-4, "activations"),
    )
)


@pytest.mark.parametrize(
    "size_bytes, widths",
    [
        (140, {"a": 8, "b": 8}),
        (139, {"a": 4, "b": 8}),
        (90, {"a": 4, "b": 8}),
        (89, {"a": 4, "b": 4}),
        (45, {"a": 2, "b": 4}),
    ],
)
def test_the_byte_with_the_least_noise_goes_first(size_bytes, widths):
    assert SENSITIVITY.mixed_precision(size_bytes) == widths


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="take 45 bytes .*size_bytes=44"):
        SENSITIVITY.mixed_precision(44)


def test_the_table_begins_with_the_worst():
    assert str(SENSITIVITY).splitlines() == [
        "layer  rounded      bits  bytes  SQNR, dB  agreement",
        "a      weights         2     25      15.9      0.500",
        "b      weights         4     20      24.0      0.500",
        "a      weights         4     50      33.0      0.500",
        "relu   activations     8      -      40.0      0.500",
        "a      weights         8    100       inf      0.500",
        "b      weights         8     40       inf      0.500",
    ]
