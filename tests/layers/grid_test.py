import numpy as np
import pytest

from keras_eff.layers import Grid

INTEGERS = np.array([[1, -7], [0, 3]])


def test_values_are_integers_times_the_scale_of_each_channel():
    grid = Grid(INTEGERS.astype("float32"), [0.5, 2.0], num_bits=4)
    assert grid.integers.dtype == "int8"
    np.testing.assert_array_equal(grid.values, [[0.5, -14.0], [0.0, 6.0]])


@pytest.mark.parametrize(
    "integers, scale, num_bits, message",
    [
        (INTEGERS, 1.0, 9, "`num_bits` must be an integer in .* Received"),
        (INTEGERS, 1.0, 3, r"`integers` must .* \[-3, 3\].* from -7 to 3"),
        (INTEGERS / 2, 1.0, 4, "`integers` must hold integers in"),
        (INTEGERS, [1.0, 0.0], 4, "`scale` must be positive"),
        (INTEGERS, np.ones(3), 4, r"`scale` .* shape \(3,\)"),
        (INTEGERS, np.ones((1, 2, 2)), 4, r"`scale` .* shape \(1, 2, 2\)"),
    ],
)
def test_arguments_are_checked(integers, scale, num_bits, message):
    with pytest.raises(ValueError, match=message):
        Grid(integers, scale, num_bits)
