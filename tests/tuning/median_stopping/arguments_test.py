import pytest

from keras_eff.tuning.median_stopping import arguments as median_arguments

RIGHT = {
    "monitor": None,
    "mode": None,
    "min_delta": 0.0,
    "directory": None,
    "dry_run": False,
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("monitor", 3),
        ("monitor", ""),
        ("mode", "upwards"),
        ("min_delta", -0.1),
        ("min_delta", float("nan")),
        ("directory", 3),
        ("dry_run", "no"),
    ],
)
def test_a_wrong_argument_is_named(name, value):
    with pytest.raises(ValueError, match=f"Argument `{name}` must be .*Rec"):
        median_arguments.check_others(**{**RIGHT, name: value})


def test_right_arguments_pass(tmp_path):
    median_arguments.check_others(**RIGHT)
    median_arguments.check_others("loss", "max", 1, tmp_path, True)
    median_arguments.check_integer("interval", 1, 1)


@pytest.mark.parametrize("value", [0, 1.0, True, "2"])
def test_what_is_no_integer_large_enough_is_refused(value):
    with pytest.raises(ValueError, match="`interval` must be an integer of 1"):
        median_arguments.check_integer("interval", value, 1)
