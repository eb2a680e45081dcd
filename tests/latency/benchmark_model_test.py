import os
import pathlib
import re

import pytest
from absl import logging

from keras_eff.latency import BenchmarkModel
from keras_eff.latency.binary import find_binary
from keras_eff.latency.binary import host_platform
from keras_eff.latency.device import describe_device

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
    assert "it exited with code 1. Received: path=" in message
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
    with pytest.raises(TypeError, match="Received: profile_ops="):
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
