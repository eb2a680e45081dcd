import numpy as np
import pytest

from keras_eff.latency.benchmark_tool.options import check_directory
from keras_eff.latency.benchmark_tool.options import check_flags
from keras_eff.latency.benchmark_tool.options import check_mask
from keras_eff.latency.benchmark_tool.options import check_name
from keras_eff.latency.benchmark_tool.options import flag_name

FLAGS = ("--gpu_precision_loss_allowed=true", "--input_layer_shape=1,2 2")


@pytest.mark.parametrize("mask", ["f0", "0xF0", 240, np.int64(240)])
def test_a_mask_becomes_what_taskset_takes(mask):
    assert check_mask(mask) == "f0"


def test_what_is_in_range_is_kept():
    assert check_mask(None) is None
    assert check_directory("/data//a b/") == "/data/a b"
    check_name("host", "pi@10.0.0.2")
    # adb names a second connection so.
    check_name("serial", "adb-P8 (2)._adb-tls-connect._tcp")
    assert check_flags(list(FLAGS), {"--graph"}) == FLAGS
    assert flag_name("--name=a=b") == "--name"


@pytest.mark.parametrize(
    ("check", "arguments"),
    [
        (check_mask, [1.0]),
        (check_mask, [True]),
        (check_directory, [None]),
        (check_name, ["host", 3]),
        (check_flags, ["--name=1", set()]),
        (check_flags, [3, set()]),
        (check_flags, [(1,), set()]),
    ],
)
def test_an_argument_of_the_wrong_type_is_an_error(check, arguments):
    with pytest.raises(TypeError, match="Received: .* of type builtins"):
        check(*arguments)


@pytest.mark.parametrize(
    ("check", "arguments"),
    [
        (check_mask, [0]),
        (check_mask, [-1]),
        (check_mask, ["g0"]),
        (check_mask, ["0"]),
        (check_mask, [""]),
        (check_directory, ["tmp"]),
        (check_directory, ["/"]),
        (check_directory, ["/tmp/a\nb"]),
        (check_name, ["host", "-oProxyCommand=sh"]),
        (check_name, ["host", " a"]),
        (check_name, ["serial", ""]),
        (check_flags, [("name=1",), set()]),
        (check_flags, [("--name",), set()]),
        (check_flags, [("--graph=other",), {"--graph"}]),
    ],
)
def test_an_argument_out_of_range_is_an_error(check, arguments):
    with pytest.raises(ValueError, match="Received: "):
        check(*arguments)
