import re
import sys

import numpy as np
import pytest

import keras_eff.latency.litert
from keras_eff.latency import LiteRT

FAST = {"warmup_runs": 1, "warmup_min_s": 0.0}


@pytest.fixture
def child(monkeypatch):
    """The child's script, imported here to see its parts."""
    monkeypatch.syspath_prepend(keras_eff.latency.litert._SCRIPT.parent)
    monkeypatch.delitem(sys.modules, "litert_child", raising=False)
    import litert_child

    yield litert_child
    del sys.modules["litert_child"]


@pytest.fixture
def replace_script(monkeypatch, tmp_path):
    def replace(body):
        script = tmp_path / "script.py"
        script.write_text(f"import os, time\ndef main(payload):\n    {body}\n")
        monkeypatch.setattr(keras_eff.latency.litert, "_SCRIPT", script)

    return replace


@pytest.mark.parametrize(
    "name", ["dense_file", "int8_file", "two_inputs_file", "bool_file"]
)
@pytest.mark.parametrize("delegate", ["xnnpack", "none"])
def test_it_runs_every_kind_of_input(name, delegate, request):
    path = request.getfixturevalue(name)
    latency = LiteRT(**FAST, delegate=delegate)(str(path), 2, 3)
    kernels = "xnnpack" if delegate == "xnnpack" else "builtin"
    assert re.fullmatch(rf"litert \d+\.\d+\.\d+ {kernels}", latency.runner)
    assert latency.num_runs == 3 and latency.num_threads == 2
    assert 0.0 < latency.min_ms < latency.init_ms
    assert "core" in latency.device


def test_a_run_far_below_ten_microseconds_is_resolved(dense_file):
    latency = LiteRT()(str(dense_file), 1, 50)
    assert 0.0 < latency.min_ms < 0.01


def test_peak_memory_holds_the_model_but_not_the_caller(large_file, dense_file):
    large, small = (
        LiteRT(**FAST)(str(path), 1, 1).peak_memory_mb
        for path in (large_file, dense_file)
    )
    assert 7.0 < large - small < 40.0
    # This process holds TensorFlow: several hundred MB.
    assert 0.0 < small < 25.0


def test_inputs_are_the_same_every_time(child, dense_file):
    first, second = (load_and_fill(child, dense_file) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])


def test_floats_are_drawn_from_minus_one_to_one(child):
    drawn = draw(child, np.float32)
    assert drawn.min() < -0.9 and drawn.max() > 0.9
    assert np.abs(drawn).max() <= 1.0


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_bytes_are_drawn_from_their_full_range(child, dtype):
    drawn = draw(child, dtype)
    limits = np.iinfo(dtype)
    assert (drawn.min(), drawn.max()) == (limits.min, limits.max)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64, np.bool_])
def test_ids_and_booleans_are_zero_or_one(child, dtype):
    assert set(np.unique(draw(child, dtype)).tolist()) == {0, 1}


def test_a_scalar_input_can_be_drawn(child):
    generator = np.random.default_rng(0)
    assert child._draw(generator, np.float32, ()).shape == ()


def test_an_unknown_dimension_is_one(child, dense_file):
    (value,) = load_and_fill(child, dense_file)
    assert value.shape == (1, 4)


@pytest.mark.parametrize(("runs", "min_s"), [(7, 0.0), (1, 0.05)])
def test_the_warm_up_reaches_both_of_its_limits(child, runs, min_s):
    start_s = child.time.perf_counter()
    counter = Counter()
    child._warm_up(counter, runs, min_s)
    assert counter.count >= runs
    assert child.time.perf_counter() - start_s >= min_s


def test_every_run_is_timed_by_itself(child):
    counter = Counter()
    assert len(child._time_runs(counter, 11)) == counter.count == 11


def test_a_string_input_is_refused(string_file):
    with pytest.raises(ValueError, match="must hold numbers.*type bytes"):
        LiteRT(**FAST)(str(string_file), 1, 1)


def test_an_operator_litert_lacks_is_named(flex_file):
    with pytest.raises(RuntimeError, match=r"FlexCholesky[^$]*Received: path="):
        LiteRT(**FAST)(str(flex_file), 1, 1)


def test_a_model_that_crashes_is_an_error(replace_script):
    replace_script("os.kill(os.getpid(), 11)")
    with pytest.raises(RuntimeError, match="SIGSEGV.*m.tflite"):
        LiteRT()("m.tflite", 1, 1)


def test_a_model_that_hangs_is_an_error(replace_script):
    replace_script("time.sleep(60)")
    with pytest.raises(RuntimeError, match="timeout_s=0.5"):
        LiteRT(timeout_s=0.5)("m.tflite", 1, 1)


@pytest.mark.parametrize(
    "argument",
    [
        {"warmup_runs": 1.0},
        {"warmup_runs": True},
        {"warmup_runs": -1},
        {"warmup_min_s": "1"},
        {"warmup_min_s": -0.1},
        {"warmup_min_s": float("nan")},
        {"timeout_s": None},
        {"timeout_s": 0},
        {"delegate": "gpu"},
        {"delegate": ["xnnpack"]},
    ],
    ids=str,
)
def test_a_wrong_argument_is_named(argument):
    (name,) = argument
    with pytest.raises(ValueError, match=f"`{name}` must be .*Received: "):
        LiteRT(**argument)


@pytest.mark.parametrize(
    ("used", "delegate"), [(np.True_, "xnnpack"), (False, "none")]
)
def test_the_old_name_of_the_delegate_is_taken_with_a_warning(used, delegate):
    with pytest.warns(DeprecationWarning, match="delegate.* 0.3"):
        runner = LiteRT(use_xnnpack=used)
    assert runner.delegate == delegate
    with pytest.warns(DeprecationWarning, match="delegate.* 0.3"):
        assert runner.use_xnnpack == bool(used)


def test_what_is_no_boolean_is_refused_under_the_old_name():
    with (
        pytest.warns(DeprecationWarning),
        pytest.raises(ValueError, match="Received: use_xnnpack=1"),
    ):
        LiteRT(use_xnnpack=1)


class Counter:
    count = 0

    def invoke(self):
        self.count += 1


def draw(child, dtype):
    generator = np.random.default_rng(0)
    return child._draw(generator, dtype, np.array([100, 50])).astype(dtype)


def load_and_fill(child, path):
    interpreter = child._load(str(path), 1, True)
    child._fill_inputs(interpreter, np.random.default_rng(0))
    details = interpreter.get_input_details()
    return [interpreter.get_tensor(detail["index"]) for detail in details]


def test_an_old_name_beside_the_new_one_is_refused():
    with pytest.raises(TypeError, match="old name of `delegate`"):
        LiteRT(delegate="none", use_xnnpack=True)
