import os
import pathlib
import re
import resource
import shlex
import sys

import keras
import numpy as np
import pytest
from absl import logging

import keras_eff
from keras_eff.latency import BenchmarkModel
from keras_eff.latency.benchmark_tool.executable import find_binary
from keras_eff.latency.benchmark_tool.executable import host_platform
from keras_eff.latency.this_machine import describe_device

from .stand_ins import HANG
from .stand_ins import has_ended
from .stand_ins import litert_log
from .stand_ins import replay
from .stand_ins import tflite_log

pytest_plugins = ["tests.latency.stand_in_fixtures"]

LOGS = pathlib.Path(__file__).with_name("logs")
SUMMARY = "INFO: Inference timings in us: Init: 1500, "


@pytest.fixture
def set_tool(scripts):
    return lambda body: scripts.write("benchmark_model", body)


def test_it_returns_what_the_tool_measured(set_tool, model):
    set_tool(replay(tflite_log()))
    latency = BenchmarkModel()(model, 2, 50)
    assert latency.median_ms == pytest.approx(0.2)
    assert latency.mean_ms == pytest.approx(0.215)
    # What the tool has counted, not what it was asked for.
    assert latency.num_runs == 7 and latency.num_threads == 2
    assert latency.runner == "benchmark_model tflite xnnpack"
    assert latency.device == describe_device()
    assert latency.warnings == ()
    assert len(latency.delegations) == 1


@pytest.mark.parametrize(
    ("name", "median_ms", "mean_ms", "num_runs"),
    [
        ("recent_android_logcat_percentiles", 141.253, 145.528, 25),
        ("tf1.x_android_old_format", None, 420.334, 10),
        ("tf2.4_android_cpu_fp32_short", None, 249.684, 50),
        ("tf2.8_linux_riscv_op_profile_scientific", None, 2950.34, 50),
        ("tf2.13_linux_x86_int8_no_xnnpack", None, 116.066, 50),
        ("litert2.1_benchmark_model_gpu", None, 7430.2, 10),
    ],
)
def test_the_logs_of_real_tools_are_read(
    set_tool, model, name, median_ms, mean_ms, num_runs
):
    log = (LOGS / f"bm_{name}.txt").read_text()
    set_tool(replay(log))
    latency = BenchmarkModel()(model, 4, 50)
    assert latency.median_ms == pytest.approx(median_ms)
    assert latency.mean_ms == pytest.approx(mean_ms)
    assert latency.num_runs == num_runs
    has_taken = "TfLiteXNNPackDelegate" in log
    assert has_taken or "delegate xnnpack" in latency.warnings[0]


def test_the_log_of_a_real_failure_is_an_error(set_tool, model):
    log = (LOGS / "bm_tf2.4_android_nnapi_FAILED.txt").read_text()
    set_tool(replay(log, 1))
    with pytest.raises(RuntimeError, match=r"code 1[^$]*ANEURALNETWORKS_OP_F"):
        BenchmarkModel(delegate="nnapi")(model, 4, 50)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("FAILED_flag_value", {}, "code 1: Failed to parse flag 'run_delay'"),
        ("FAILED_truncated", {}, "code 1: The model is not a valid Flatb"),
        ("FAILED_custom_op", {}, "code 1: Encountered unresolved custom op"),
    ],
)
def test_an_error_begins_with_what_the_tool_says(
    set_tool, model, name, options, said
):
    usage = "".join(f"\t--flag{i}=\tfails or not\n" for i in range(40))
    set_tool(replay((LOGS / f"real_{name}.txt").read_text() + usage, 1))
    with pytest.raises(RuntimeError, match=f"the file: it exited with {said}"):
        BenchmarkModel(**options)(model, 1, 50)


def test_partial_delegation_is_told(set_tool, model):
    name = "real_xnnpack_int8_partial_delegation"
    set_tool(replay((LOGS / f"{name}.txt").read_text()))
    (warning,) = BenchmarkModel()(model, 1, 50).warnings
    assert "partially executed by the delegate w/ 1 delegate" in warning
    set_tool(replay((LOGS / "real_xnnpack_float.txt").read_text()))
    latency = BenchmarkModel()(model, 1, 50)
    assert latency.warnings == () and latency.median_ms == 0.221


def test_profiles_of_real_tools_are_read(set_tool, model):
    runner = BenchmarkModel(profile_ops=True)
    set_tool(replay((LOGS / "real_profile_tiny_nan.txt").read_text()))
    latency = runner(model, 1, 50)
    assert [row.op for row in latency.op_profile] == [
        "Static Reshape (NC)",
        "Fully Connected (NC, F32) GEMM",
    ]
    assert {(row.ms, row.share) for row in latency.op_profile} == {(0, 0)}
    set_tool(replay((LOGS / "real_profile_float.txt").read_text()))
    profile = runner(model, 1, 50).op_profile
    assert profile[0].share == pytest.approx(0.12275)


def test_a_build_without_xnnpack_runs_builtin_kernels(set_tool, model):
    unknown = "WARN: Unconsumed cmdline flags: --use_xnnpack=false\n"
    log = "tf2.13_linux_x86_int8_no_xnnpack"
    set_tool(replay(unknown + (LOGS / f"bm_{log}.txt").read_text()))
    latency = BenchmarkModel(delegate="none")(model, 4, 50)
    assert latency.runner == "benchmark_model tflite none"
    # One that has XNNPACK without the flag runs it all the same.
    set_tool(replay(unknown + tflite_log()))
    with pytest.raises(RuntimeError, match="does not know delegate='none'"):
        BenchmarkModel(delegate="none")(model, 4, 7)


def test_the_memory_of_the_caller_is_not_that_of_the_tool(set_tool, model):
    """A process begins at the peak of the one that started it."""
    script = "import resource as r; print(r.getrusage(r.RUSAGE_SELF).ru_maxrss)"
    measured = f"{sys.executable} -c {shlex.quote(script)} > {{folder}}/peak"
    path = set_tool(f"{measured}; {replay(tflite_log())}")
    held = np.ones(2**26, "uint8")
    BenchmarkModel()(model, 1, 7)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = int((path.parent / "peak").read_text())
    assert held.nbytes / 1024 < own and peak < own / 3


@pytest.fixture(scope="module")
def embeddings(tmp_path_factory):
    """A file of two inputs that are looked up, in tables of 10 and 7 rows."""
    ids = keras.Input((6,), dtype="int32", name="ids")
    kinds = keras.Input((1,), dtype="int32", name="kinds")
    image = keras.Input((4,), name="image")
    parts = [
        keras.layers.Flatten()(keras.layers.Embedding(10, 4)(ids)),
        keras.layers.Flatten()(keras.layers.Embedding(7, 4)(kinds)),
        image,
    ]
    model = keras.Model([ids, kinds, image], keras.ops.concatenate(parts, -1))
    path = tmp_path_factory.mktemp("embeddings") / "m.tflite"
    keras_eff.export.to_tflite(model, path)
    return str(path)


def test_the_tool_draws_rows_that_there_are(set_tool, scripts, embeddings):
    set_tool(replay(tflite_log()))
    BenchmarkModel()(embeddings, 1, 7)
    (call,) = scripts.calls("benchmark_model")
    assert call.endswith(
        " --input_layer=ids,kinds,image --input_layer_shape=1,6:1,1:1,4 "
        "--input_layer_value_range=ids,0,9:kinds,0,6"
    )
    # One that does not know these flags has measured what it could.
    set_tool(replay(litert_log("--input_layer_value_range=ids,0,9")))
    BenchmarkModel()(embeddings, 1, 7)
    flags = ["--input_layer=a,b,c"]
    set_tool(replay(tflite_log()))
    BenchmarkModel(flags=flags)(embeddings, 1, 7)
    assert scripts.calls("benchmark_model")[-1].endswith(f"true {flags[0]}")


def test_the_tool_gets_exact_numbers_of_runs(set_tool, scripts, model):
    set_tool(replay(tflite_log()))
    BenchmarkModel(timeout_s=30.5, warmup_runs=3)(model, 2, 9)
    assert scripts.calls("benchmark_model") == [
        f"--graph={model} --num_threads=2 --num_runs=9 --min_secs=0 "
        "--max_secs=30.5 --warmup_runs=3 --warmup_min_secs=0 "
        "--use_xnnpack=true"
    ]


def test_every_option_reaches_the_tool(set_tool, scripts, model, tmp_path):
    set_tool(replay(tflite_log()))
    scripts.write("taskset", 'shift; exec "$@"')
    (tmp_path / "libvx.so").touch()
    runner = BenchmarkModel(
        delegate=os.path.relpath(tmp_path / "libvx.so"),
        cpu_affinity=3,
        profile_ops=True,
        flags=["--verbose=true"],
    )
    assert "libvx.so" in runner(model, 1, 1).runner
    (call,) = scripts.calls("benchmark_model")
    assert call.endswith(
        f" --external_delegate_path={tmp_path}/libvx.so "
        "--enable_op_profiling=true --use_profiler=true --verbose=true"
    )
    (call,) = scripts.calls("taskset")
    assert call.startswith(f"3 {scripts.folder}/benchmark_model --graph=")


def test_without_taskset_an_affinity_is_an_error(set_tool, model, monkeypatch):
    path = set_tool(replay(tflite_log()))
    monkeypatch.setenv("PATH", str(path.parent))
    with pytest.raises(RuntimeError, match="taskset.*cpu_affinity='f'"):
        BenchmarkModel(cpu_affinity="f")(model, 1, 1)


def test_litert_gives_no_median_but_a_mean(set_tool, model):
    set_tool(replay(litert_log("--use_xnnpack=true")))
    latency = BenchmarkModel()(model, 1, 7)
    assert latency.median_ms is None and latency.mean_ms == 0.22
    assert latency.runner == "benchmark_model litert xnnpack"


@pytest.mark.parametrize(
    "unknown", ["--enable_op_profiling=true", "--use_profiler=true"]
)
def test_each_tool_has_a_flag_of_its_own_for_profiles(set_tool, model, unknown):
    set_tool(replay(litert_log(unknown)))
    assert BenchmarkModel(profile_ops=True)(model, 1, 7).mean_ms == 0.22


@pytest.mark.parametrize(
    ("options", "flag", "named"),
    [
        ({"delegate": "none"}, "--use_xnnpack=false", "delegate='none'"),
        (
            {"profile_ops": True},
            "--enable_op_profiling=true --use_profiler=true",
            "profile_ops=",
        ),
        ({"flags": ("--a=b",)}, "--a=b", "--a=b"),
        ({}, "--num_threads=1", "num_threads=1"),
    ],
    ids=["delegate", "profile_ops", "flags", "num_threads"],
)
def test_an_option_that_the_build_lacks_is_an_error(
    set_tool, model, options, flag, named
):
    set_tool(replay(litert_log(f"--min_secs=0 {flag}")))
    with pytest.raises(RuntimeError, match=f"does not know {named}"):
        BenchmarkModel(**options)(model, 1, 7)


def test_a_delegate_that_ran_nothing_is_told(set_tool, model, monkeypatch):
    told = []
    monkeypatch.setattr(logging, "warning", lambda *args: told.append(args))
    set_tool(replay(tflite_log()))
    latency = BenchmarkModel(delegate="gpu")(model, 1, 7)
    assert latency.warnings[0].startswith("The delegate gpu ran no part")
    assert told == [("%s: %s", latency.device, latency.warnings[0])]


def test_a_failure_counts_more_than_a_summary(set_tool, model):
    set_tool(replay(f"{tflite_log()}ERROR: Benchmarking failed.\n", 1))
    with pytest.raises(RuntimeError) as caught:
        BenchmarkModel()(model, 1, 7)
    message = str(caught.value)
    assert "it exited with code 1: Benchmarking failed." in message
    assert "runner=BenchmarkModel(binary=None" in message
    # The last ten lines.
    assert message.endswith("\n    ERROR: Benchmarking failed.")
    assert len(message.splitlines()) == 12


def test_half_an_output_is_an_error(set_tool, model):
    set_tool(replay(tflite_log().partition(SUMMARY)[0]))
    with pytest.raises(RuntimeError, match="did not measure the file"):
        BenchmarkModel()(model, 1, 7)


def test_no_output_is_an_error(set_tool, model):
    set_tool("exit 0")
    with pytest.raises(RuntimeError, match=r"its output:\s+\(nothing\)"):
        BenchmarkModel()(model, 1, 7)


def test_a_crash_is_an_error_that_names_the_signal(set_tool, model):
    set_tool("echo STARTING!; kill -SEGV $$")
    with pytest.raises(RuntimeError, match=r"signal SIGSEGV[^$]*STARTING!"):
        BenchmarkModel()(model, 1, 7)


def test_a_tool_that_hangs_is_killed(set_tool, scripts, model):
    set_tool(HANG)
    with pytest.raises(RuntimeError, match=r"time was over.*timeout_s=1\.0"):
        BenchmarkModel(timeout_s=1.0)(model, 1, 7)
    assert has_ended(scripts.child())


def test_a_file_that_is_no_program_is_an_error(scripts, model):
    path = scripts.folder / "benchmark_model"
    path.write_bytes(b"\0\1\2")
    path.chmod(0o755)
    with pytest.raises(RuntimeError, match="Exec format error"):
        BenchmarkModel()(model, 1, 7)


def test_no_tool_is_an_error(scripts, model):
    with pytest.raises(FileNotFoundError, match="https://storage.googleapis"):
        BenchmarkModel()(model, 1, 7)


def test_options_are_checked_when_it_is_made():
    with pytest.raises(FileNotFoundError, match="Received: binary="):
        BenchmarkModel("absent")
    with pytest.raises(ValueError, match="Received: delegate="):
        BenchmarkModel(delegate="coreml")
    with pytest.raises(ValueError, match="Received: cpu_affinity="):
        BenchmarkModel(cpu_affinity="xyz")
    with pytest.raises(ValueError, match="Received: warmup_runs="):
        BenchmarkModel(warmup_runs=-1)
    with pytest.raises(ValueError, match="Received: timeout_s="):
        BenchmarkModel(timeout_s=0)
    with pytest.raises(ValueError, match="Received: profile_ops="):
        BenchmarkModel(profile_ops="yes")
    with pytest.raises(ValueError, match="--num_runs.*Received: flags="):
        BenchmarkModel(flags=("--num_runs=3",))


def test_the_real_tool_can_be_read(dense_file):
    try:
        find_binary(None, host_platform())
    except FileNotFoundError:
        pytest.skip("no executable of benchmark_model for this machine")
    latency = BenchmarkModel()(str(dense_file), 1, 20)
    assert latency.num_runs == 20 and latency.mean_ms > 0.0
    assert re.fullmatch(
        "benchmark_model (tflite|litert) xnnpack", latency.runner
    )
