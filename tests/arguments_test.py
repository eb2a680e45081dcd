import math

import numpy as np
import pytest

from keras_eff import distillation
from keras_eff import layers
from keras_eff import schedules
from keras_eff.arguments import check_layer_names
from keras_eff.arguments import read_boolean
from keras_eff.arguments import read_choice
from keras_eff.arguments import read_integer
from keras_eff.arguments import read_number
from keras_eff.arguments import read_string


@pytest.mark.parametrize("kind", [int, np.int8, np.uint64, np.array])
def test_an_integer_of_numpy_is_one_of_python(kind):
    found = read_integer("x", kind(5), 2, 16)

    assert found == 5 and type(found) is int


@pytest.mark.parametrize("kind", [float, np.float16, np.float64, np.array])
def test_a_float_of_numpy_is_one_of_python(kind):
    found = read_number("x", kind(0.5), "[0, 1)")

    assert found == 0.5 and type(found) is float


def test_an_integer_is_a_number_that_becomes_a_float():
    assert type(read_number("x", np.int32(3))) is float


@pytest.mark.parametrize("value", [True, np.True_, np.array(True), "2", None])
def test_a_boolean_a_string_and_none_are_no_numbers(value):
    with pytest.raises(ValueError, match="`x` must be a positive integer"):
        read_integer("x", value, 1)
    with pytest.raises(ValueError, match="`x` must be a finite number > 0"):
        read_number("x", value, "(0, inf)")


@pytest.mark.parametrize("value", [2.0, np.float32(2), np.array([2])])
def test_a_float_or_an_array_with_axes_is_no_integer(value):
    with pytest.raises(ValueError, match="`x` must be an integer"):
        read_integer("x", value)


def test_the_ends_of_integers_are_among_them():
    assert [read_integer("x", n, 2, 4) for n in (2, 4)] == [2, 4]
    for value in (1, 5):
        with pytest.raises(ValueError) as error:
            read_integer("x", value, 2, 4)
        expected = "Argument `x` must be an integer in [2, 4]. Received: x="
        assert str(error.value) == expected + str(value)


@pytest.mark.parametrize(
    ("interval", "inside", "outside"),
    [
        pytest.param("[0, 1)", (0, 0.9), (-0.1, 1), id="[0, 1)"),
        pytest.param("(0, 1]", (0.1, 1), (0, 1.1), id="(0, 1]"),
        pytest.param("[0, 1]", (0, 1), (-0.1, 1.1), id="[0, 1]"),
        pytest.param("(0, 1)", (0.5,), (0, 1), id="(0, 1)"),
        pytest.param(
            "(0, inf)", (1e-9, 10**6), (0, math.inf, math.nan), id="positive"
        ),
        pytest.param(
            "(-inf, inf)", (-3, 0.0), (-math.inf, np.float32("nan")), id="any"
        ),
    ],
)
def test_a_number_is_inside_its_interval(interval, inside, outside):
    for value in inside:
        assert read_number("x", value, interval) == value
    for value in outside:
        with pytest.raises(ValueError, match="Received: x="):
            read_number("x", value, interval)


def test_a_message_tells_what_else_may_be_given():
    with pytest.raises(ValueError, match="in \\[0, 1\\) or None. Received: x"):
        read_number("x", "a", "[0, 1)", also="or None")


def test_a_boolean_is_no_number():
    assert read_boolean("x", np.False_) is False
    for value in (0, 1.0, "yes", None):
        with pytest.raises(ValueError, match="`x` must be a boolean"):
            read_boolean("x", value)


def test_a_choice_is_of_the_type_of_one_that_is_offered():
    assert read_choice("x", None, ("a", None)) is None
    for value in (True, "c", ["a"], np.zeros(2)):
        with pytest.raises(ValueError, match='must be one of "a", 1, None. R'):
            read_choice("x", value, ("a", 1, None))


def test_a_string_is_not_empty():
    assert read_string("x", np.str_("dense")) == "dense"
    for value in ("", b"dense", 3):
        with pytest.raises(ValueError, match="`x` must be a string"):
            read_string("x", value)


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (layers.FakeQuant, "num_bits", 4),
        (layers.FakeQuant, "momentum", 0.5),
        (layers.ProjectionLayer, "num_features", 8),
        (layers.ProjectionLayer, "mask_padding", False),
        (layers.QRNN, "units", 8),
        (layers.TokenDistortion, "rate", 0.5),
        (layers.TokenDistortion, "seed", 3),
        (layers.WeightFakeQuant, "num_bits", 4),
        (schedules.ConstantSparsity, "target_sparsity", 0.5),
        (distillation.Stage, "begin_epoch", 2),
        (distillation.ConnectedFeatures, "learning_rate", 0.5),
    ],
)
def test_what_a_user_makes_keeps_python_values_of_numpys(make, name, value):
    for given in (np.asarray(value)[()], np.asarray(value)):
        found = make(**{name: given}).get_config()[name]
        assert found == value and type(found) is type(value)


def test_layers_that_a_model_does_not_have_are_named():
    check_layer_names("skip", ["a"], ["a"], {"a", "b"})
    message = (
        "`skip` names a layer .*'c'. Received: .*; its layers are .'a', 'b'"
    )
    with pytest.raises(ValueError, match=message):
        check_layer_names("skip", ["a", "c"], ["a", "c"], {"b", "a"})
