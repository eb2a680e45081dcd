import inspect

import numpy as np
import pytest

from keras_eff.latency import Android
from keras_eff.latency import BenchmarkModel
from keras_eff.latency import Remote


@pytest.fixture
def make():
    options = {
        "delegate": "gpu",
        "cpu_affinity": "0xF0",
        "profile_ops": False,
        "warmup_runs": 0,
        "flags": ["--gpu_backend=cl"],
        "timeout_s": 60,
    }
    return lambda **others: BenchmarkModel(None, **{**options, **others})


def test_it_prints_as_the_call_that_makes_it(make):
    printed = repr(make())
    assert printed == (
        "BenchmarkModel(binary=None, delegate='gpu', cpu_affinity='f0', "
        "profile_ops=False, warmup_runs=0, flags=('--gpu_backend=cl',), "
        "timeout_s=60.0)"
    )


def test_the_flags_of_the_user_come_last(make):
    flags = make(profile_ops=True)._tool_flags("m.tflite", "", 4, 7)
    assert flags[:3] == ["--graph=m.tflite", "--num_threads=4", "--num_runs=7"]
    assert flags[-4:] == [
        "--use_gpu=true",
        "--enable_op_profiling=true",
        "--use_profiler=true",
        "--gpu_backend=cl",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("profile_ops", 1),
        ("warmup_runs", -1),
        ("warmup_runs", True),
        ("timeout_s", 0),
        ("timeout_s", "1"),
        ("timeout_s", float("inf")),
    ],
)
def test_a_wrong_option_is_named(make, name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be .*Received: "):
        make(**{name: value})


def test_numbers_and_booleans_of_numpy_are_taken(make):
    runner = make(warmup_runs=np.int64(2), profile_ops=np.False_)
    assert "profile_ops=False, warmup_runs=2" in repr(runner)


def test_runners_of_devices_have_the_same_options():
    own = list(inspect.signature(BenchmarkModel).parameters.values())
    for kind in (Android, Remote):
        others = inspect.signature(kind).parameters
        assert [others[each.name] for each in own] == own
    assert list(inspect.signature(Android).parameters)[:2] == [
        "serial",
        "binary",
    ]
    assert list(inspect.signature(Remote).parameters)[:2] == ["host", "binary"]


def test_a_flag_that_another_argument_sets_is_an_error(make):
    for flag in make()._own_flags("", "", 1, 1):
        with pytest.raises(ValueError, match="follow from the other"):
            make(flags=(flag,))


def test_a_flag_that_no_argument_sets_is_kept(make):
    # What a GPU leaves over may run in the builtin kernels.
    flags = ("--use_xnnpack=false",)
    assert make(flags=flags).flags == flags
