import numpy as np
import pytest

from keras_eff.callbacks import MedianStopping


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("monitor", 3),
        ("monitor", ""),
        ("mode", "upwards"),
        ("directory", 3),
        ("min_delta", -0.1),
        ("min_delta", float("nan")),
        ("min_delta", True),
        ("dry_run", "no"),
        ("interval", 0),
        ("interval", 1.0),
        ("interval", True),
    ],
)
def test_a_wrong_argument_is_named(name, value):
    with pytest.raises(ValueError, match=f"Argument `{name}` must be .*Rec"):
        MedianStopping(**{name: value})


def test_right_arguments_pass(tmp_path):
    stopping = MedianStopping(
        None,
        "loss",
        "max",
        min_delta=np.float32(1),
        min_trials=np.int64(3),
        directory=tmp_path,
        dry_run=np.True_,
    )
    assert (stopping.min_trials, stopping.dry_run) == (3, True)
