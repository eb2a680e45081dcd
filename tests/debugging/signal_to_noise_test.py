import math

import numpy as np
import pytest

from keras_eff.debugging.signal_to_noise import sqnr_db


def test_the_ratio_is_that_of_the_powers():
    signal = np.array([3.0, -4.0], "float32")
    assert sqnr_db(signal, signal + 0.5) == pytest.approx(
        10 * math.log10(25 / 0.5)
    )


@pytest.mark.parametrize(
    ("signal", "values", "expected"),
    [
        ([0.0, 0.0], [0.0, 0.0], math.inf),
        ([1.0, 2.0], [1.0, 2.0], math.inf),
        ([0.0, 0.0], [0.0, 1.0], -math.inf),
        ([1.0, 2.0], [1.0, math.nan], -math.inf),
        ([1.0, 2.0], [1.0, math.inf], -math.inf),
    ],
)
def test_equal_arrays_and_lost_ones_are_the_ends(signal, values, expected):
    assert sqnr_db(np.array(signal), np.array(values)) == expected
