import numpy as np
import pytest

from keras_eff.export.formats import FORMATS
from keras_eff.export.formats import check_format
from keras_eff.export.formats import check_options

SAMPLES = np.zeros((2, 3), "float32")
DEFAULTS = {
    "is_aware": False,
    "samples": SAMPLES,
    "method": "minmax",
    "io_dtype": None,
    "sparse": False,
}


def options(name, **changes):
    return check_options(name, **{**DEFAULTS, **changes})


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_float_model_takes_each_format_by_its_name(name):
    quantize = None if name == "float32" else name
    assert check_format(quantize, is_aware=False) == name


def test_a_model_that_rounds_becomes_int8_or_int4():
    assert check_format(None, is_aware=True) == "int8"
    assert check_format("int4", is_aware=True) == "int4"


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"float32", "int4"}))
def test_a_model_that_rounds_is_refused_other_formats(name):
    with pytest.raises(ValueError, match=f"FakeQuant.*quantize='{name}'"):
        check_format(name, is_aware=True)


def test_the_refusal_of_16_bits_gives_its_reason():
    with pytest.raises(ValueError, match="a wrong file.*the float model"):
        check_format("int16x8", is_aware=True)


@pytest.mark.parametrize("quantize", ["float32", "int2", 8])
def test_other_formats_are_refused(quantize):
    with pytest.raises(ValueError, match="Received: quantize="):
        check_format(quantize, is_aware=False)


@pytest.mark.parametrize(
    "name, io_dtype",
    [
        ("int8", "int8"),
        ("int4", "int8"),
        ("int16x8", "int16"),
        ("dynamic", "float32"),
        ("weight_only_int8", "float32"),
    ],
)
def test_ends_have_the_type_of_the_format_by_default(name, io_dtype):
    assert options(name) == io_dtype
    assert options(name, io_dtype="float32") == "float32"


@pytest.mark.parametrize(
    "name, io_dtype",
    [
        ("int16x8", "int8"),
        ("int16x8", "uint8"),
        ("int8", "int16"),
        ("float32", "int8"),
        ("weight_only_int4", "uint8"),
    ],
)
def test_ends_of_another_type_are_refused(name, io_dtype):
    with pytest.raises(ValueError, match=f"Received: io_dtype='{io_dtype}'"):
        options(name, io_dtype=io_dtype)


@pytest.mark.parametrize("name", ["int8", "int4", "int16x8"])
def test_ranges_need_samples(name):
    with pytest.raises(ValueError, match=f'"{name}", samples=None'):
        options(name, samples=None)


def test_a_model_with_ranges_needs_no_samples():
    assert options("int4", is_aware=True, samples=None) == "int8"


@pytest.mark.parametrize(
    "name, is_aware",
    [("int16x8", False), ("float16", False), ("int8", True)],
)
def test_a_method_is_refused_where_no_ranges_are_sought(name, is_aware):
    with pytest.raises(ValueError, match="Received: method='mse'"):
        options(name, is_aware=is_aware, method="mse")
    assert options("int4", method="mse") == "int8"


@pytest.mark.parametrize(
    "name", ["int4", "int16x8", "weight_only_int8", "weight_only_int4"]
)
def test_formats_that_keep_zeros_refuse_to_leave_them_out(name):
    with pytest.raises(ValueError, match="Received: sparse=True"):
        options(name, sparse=True)
    assert options("int8", sparse=True) == "int8"
