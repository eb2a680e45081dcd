import pathlib
import random

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_eff.latency.benchmark_tool.log import read_log

LOGS = pathlib.Path(__file__).parents[1] / "logs"
MB = 1.048576  # The tool's MB, in 1e6 bytes.

TFLITE = """\
INFO: STARTING!
INFO: Min num runs: [9]
INFO: Initialized session in 4.401ms.
INFO: Running benchmark for at least 5 iterations and at least 0 seconds but \
terminate if exceeding 150 seconds.
INFO: count=5 first=1520 curr=612 min=601 max=1520 avg=640.25 std=55 p5=604 \
median=618 p95=702

INFO: Running benchmark for at least 9 iterations and at least 0 seconds but \
terminate if exceeding 150 seconds.
INFO: count=9 first=655 curr=612 min=598 max=1204 avg=631.125 std=40 p5=602 \
median=615 p95=690

INFO: Inference timings in us: Init: 4401, First inference: 1520, \
Warmup (avg): 640.25, Inference (avg): 631.125
INFO: Memory footprint delta from the start of the tool (MB): init=1.5 \
overall=2.5
INFO: Overall peak memory footprint (MB) via periodic monitoring: 7.5
"""
SUMMARY = TFLITE.splitlines()[-3]
MEASURED = TFLITE.splitlines()[-5]
LITERT_SUMMARY = """\
INFO: [./litert/tools/benchmark_litert_model.h:81]
========== BENCHMARK RESULTS ==========
INFO: [./litert/tools/benchmark_litert_model.h:82] Model initialization: 4.40 ms
INFO: [./litert/tools/benchmark_litert_model.h:84] Warmup (first):       1.52 ms
INFO: [./litert/tools/benchmark_litert_model.h:86] Warmup (avg):         \
0.64 ms (5 runs)
INFO: [./litert/tools/benchmark_litert_model.h:88] Inference (avg):      \
0.63 ms (9 runs)
INFO: [./litert/tools/benchmark_litert_model.h:92] Inference (min):      0.60 ms
INFO: [./litert/tools/benchmark_litert_model.h:94] Inference (max):      1.20 ms
INFO: [./litert/tools/benchmark_litert_model.h:96] Inference (std):      0.04
INFO: [./litert/tools/benchmark_litert_model.h:112]
Memory Usage:
INFO: [./litert/tools/benchmark_litert_model.h:116] Overall footprint:    \
11.51 MB
INFO: [./litert/tools/benchmark_litert_model.h:121] Peak memory:          \
15.00 MB
"""
LITERT = TFLITE.partition("INFO: Inference")[0] + LITERT_SUMMARY
OLD_SUMMARY = (
    "Average inference timings in us: Warmup: 640.25, Init: 4401, "
    "Inference: 631.125"
)


def sample(name):
    return (LOGS / f"bm_{name}.txt").read_text()


GOOD = {
    **{
        path.stem: path.read_text()
        for path in sorted(LOGS.glob("bm_*.txt"))
        if "FAILED" not in path.name
    },
    "tflite": TFLITE,
    "litert": LITERT,
}
TRUE = {name: read_log(text) for name, text in GOOD.items()}


def times(log):
    return (
        log.median_ms,
        log.mean_ms,
        log.min_ms,
        log.max_ms,
        log.p5_ms,
        log.p95_ms,
        log.std_ms,
        log.init_ms,
        log.num_runs,
    )


def summary(mean, warmup=640.25):
    return (
        f"Inference timings in us: Init: 4401, First inference: 1520, "
        f"Warmup (avg): {warmup}, Inference (avg): {mean}\n"
    )


def test_a_log_of_android_with_percentiles():
    log = read_log(sample("recent_android_logcat_percentiles"))
    assert log.dialect == "tflite"
    assert times(log) == pytest.approx(
        (141.253, 145.528, 140.071, 195.121, 140.545, 187.533)
        + (13.583, 92.318, 25)
    )
    assert log.peak_memory_mb == pytest.approx(73.4102 * MB)
    (delegation,) = log.delegations
    assert delegation.delegate == "TfLiteXNNPackDelegate"
    assert (delegation.nodes, delegation.total_nodes) == (539, 548)
    assert delegation.partitions == 19
    assert log.op_profile is None
    assert log.warnings == log.unconsumed_flags == ()


@pytest.mark.parametrize(
    ("name", "expected", "memory_mb"),
    [
        (
            "tf1.x_android_old_format",
            (420.334, 232.432, 566.895, 156.392, 9.89, 10),
            None,
        ),
        (
            "tf2.4_android_cpu_fp32_short",
            (249.684, 247.067, 254.474, 1.442, 16.242, 50),
            138.809,
        ),
        (
            "tf2.8_linux_riscv_op_profile_scientific",
            (2950.34, 2727.568, 3189.954, 109.798, 17.187, 50),
            46.0859,
        ),
        (
            "tf2.13_linux_x86_int8_no_xnnpack",
            (116.066, 111.222, 121.324, 1.906, 0.53, 50),
            12.1914,
        ),
    ],
)
def test_a_log_of_an_older_build_has_no_median(name, expected, memory_mb):
    log = read_log(sample(name))
    assert log.dialect == "tflite"
    assert log.median_ms is log.p5_ms is log.p95_ms is None
    assert (
        log.mean_ms,
        log.min_ms,
        log.max_ms,
        log.std_ms,
        log.init_ms,
        log.num_runs,
    ) == pytest.approx(expected)
    if memory_mb is None:
        assert log.peak_memory_mb is None
    else:
        assert log.peak_memory_mb == pytest.approx(memory_mb * MB)
        # A whole number of KiB, but for the six digits that are printed.
        kib = log.peak_memory_mb * 1e6 / 1024
        assert kib == pytest.approx(round(kib), rel=5e-6)


def test_a_log_of_litert_without_its_head():
    log = read_log(sample("litert2.1_benchmark_model_gpu"))
    assert log.dialect == "litert"
    assert times(log) == (
        (None, 7430.2, 7416.4, 7448.86, None, None, 9.92, 23744.73, 10)
    )
    assert log.peak_memory_mb == pytest.approx(6391.74 * MB)
    assert "rounded to 0.01 ms" in log.warnings[0]


def test_a_log_of_litert_has_the_exact_times_too():
    log = read_log(LITERT)
    assert log.dialect == "litert" and log.warnings == ()
    assert times(log) == pytest.approx(
        (0.615, 0.631125, 0.598, 1.204, 0.602, 0.69, 0.04, 4.4, 9)
    )
    assert log.peak_memory_mb == pytest.approx(11.51 * MB)


def test_the_operator_profile_of_a_log():
    log = read_log(sample("tf2.8_linux_riscv_op_profile_scientific"))
    assert len(log.op_profile) == 31
    assert log.op_profile[0].op == "CONV_2D"
    assert log.op_profile[0].ms == 60.957
    assert sum(op.ms for op in log.op_profile) == pytest.approx(2949.9, 1e-4)
    assert log.warnings == ()


def test_the_operator_profile_of_logcat_is_the_same():
    text = sample("tf2.8_linux_riscv_op_profile_scientific")
    lines = (f"I tflite  : {line}\n" for line in text.splitlines())
    assert read_log("".join(lines)) == read_log(text)


def test_the_operator_profile_of_litert_has_no_head():
    table = (
        "INFO: [./litert/tools/benchmark_litert_model.h:179]\n"
        "======== Run Order ========\n"
        "\t[node type]\t[avg ms]\t[%]\t[Name]\n"
        "\tConvolution (NHWC, F32)\t0.600\t100.000%\tDelegate/conv:0\n\n"
        "Number of nodes executed: 1\n"
        "Timings (microseconds): count=9 curr=600(all same)\n"
    )
    (op,) = read_log(LITERT + table).op_profile
    assert (op.op, op.ms, op.share) == ("Convolution (NHWC, F32)", 0.6, 1.0)


def test_a_cut_operator_profile_is_a_warning():
    text = sample("tf2.8_linux_riscv_op_profile_scientific")
    log = read_log(text[: text.index("SQUEEZE") + 9])
    assert log.op_profile is None and log.mean_ms == 2950.34
    (warning,) = log.warnings
    assert warning.startswith("The operator profile is left out, as ")


def test_a_failure_is_an_error_with_its_lines():
    with pytest.raises(ValueError) as error:
        read_log(sample("tf2.4_android_nnapi_FAILED"))
    message = str(error.value)
    assert message.startswith("it failed: NN API returned error ANEURALNETW")
    assert message.endswith(
        "Failed to apply NNAPI delegate. | Benchmarking failed."
    )


def test_a_failure_with_a_summary_is_an_error():
    with pytest.raises(ValueError, match="it failed: .*3 .CONV_2D. failed to"):
        read_log(TFLITE + "ERROR: Node number 3 (CONV_2D) failed to invoke.")
    with pytest.raises(ValueError, match="it failed: Benchmarking failed"):
        read_log(TFLITE + "Benchmarking failed.\n")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no result: the log is empty"),
        ("STARTING!\nLoaded model a.tflite\n", "the last line is: Loaded mode"),
        ("taskset: failed to set pid", "no result: taskset: failed to set"),
        (TFLITE.replace(SUMMARY, ""), "no result"),
        (TFLITE.replace(MEASURED, ""), "no line `count=...` fit its summary"),
        (TFLITE.replace("avg=631.125", "avg=631.12"), "no line `count"),
        (TFLITE + SUMMARY, "several summaries"),
        (TFLITE + LITERT_SUMMARY, "of TFLite's tool and of LiteRT's"),
        (TFLITE.replace(", Warmup (avg): 640.25", ""), "summary is damaged"),
        (TFLITE.replace(" median=615", ""), "damaged: count=9"),
        (TFLITE.replace("\nINFO: count=9", " count=9"), "damaged: Running"),
        (TFLITE.replace("curr=612 min=598", "(all same)"), "damaged: count=9"),
        (TFLITE.replace("median=615", "median=691"), "contradicts itself"),
        (TFLITE.replace("min=598", "min=640"), "contradicts itself"),
        (TFLITE.replace("max=1204", "max=631"), "contradicts itself"),
        (TFLITE.replace("first=655", "first=65"), "contradicts itself"),
        (
            TFLITE.replace(" p5=602 median=615 p95=690", ""),
            "only some of its lines have a median",
        ),
        ("count=0\n\n" + summary(0), "no line `count"),
        ("count=1 curr=5(all same)\n" + summary(5), "contradicts itself"),
        ("count=2 curr=5\n" + summary(5), "contradicts itself"),
        ("count=1 curr=5 p5=5 median=4 p95=5\n" + summary(5), "contradicts"),
        (LITERT.replace("Inference (max)", ""), "incomplete or damaged"),
        (LITERT.replace("0.60 ms", "0.64 ms"), "summary contradicts itself"),
        (LITERT.replace("(9 runs)", "(8 runs)"), "no line `count"),
        (LITERT.replace("1.20 ms", "1.21 ms"), "no line `count"),
        (LITERT.replace(MEASURED, ""), "no line `count"),
        (LITERT + LITERT_SUMMARY, "several lines of one kind"),
        (
            TFLITE + TFLITE.splitlines()[-2].replace("2.5", "3.5"),
            "several lines of one kind",
        ),
    ],
    ids=range(28),
)
def test_a_log_without_one_sound_result_is_an_error(text, reason):
    with pytest.raises(ValueError) as error:
        read_log(text)
    assert reason in str(error.value)


def test_lines_that_fit_equally_are_an_error_unless_the_number_of_runs_tells():
    text = TFLITE.replace("640.25", "631.125")
    assert read_log(text).median_ms == pytest.approx(0.615)
    with pytest.raises(ValueError, match="several different lines"):
        read_log(text.replace("INFO: Min num runs: [9]\n", ""))


def test_equal_lines_of_warm_up_and_measurement_are_no_contradiction():
    log = read_log("count=1 curr=5\n\ncount=1 curr=5\n\n" + summary(5, 5))
    assert log.mean_ms == pytest.approx(0.005)


@pytest.mark.parametrize("end", ["", " p5=1234565 median=1234565 p95=1234565"])
def test_one_run_is_its_own_median(end):
    # 1234565 is printed as 1.23456e+06: the last digit rounds to even.
    text = f"count=1 curr=1234565{end}\n" + summary("1.23456e+06")
    log = read_log(text)
    assert times(log)[:6] == (1234.565,) * 6
    assert log.std_ms == 0.0 and log.num_runs == 1


def test_equal_runs_are_their_own_median():
    log = read_log("count=7 curr=5(all same)\n" + summary(5))
    assert log.median_ms == log.mean_ms == 0.005 and log.num_runs == 7


def test_a_mean_may_be_rounded_beyond_the_slowest_run():
    log = read_log(
        "count=2 first=2000006 curr=2000008 min=2000006 max=2000008 "
        "avg=2.00001e+06 std=1\n" + summary("2.00001e+06")
    )
    assert log.mean_ms == 2000.01 and log.max_ms == 2000.008


def test_no_warm_up_is_no_error():
    log = read_log(
        f"count=0 p5=0 median=0 p95=0\n{MEASURED}\n{summary(631.125, 0)}"
    )
    assert log.median_ms == pytest.approx(0.615)


def test_the_summary_of_tf_1_15():
    text = TFLITE.replace(SUMMARY, OLD_SUMMARY)
    assert times(read_log(text)) == times(read_log(TFLITE))


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "INFO: ",
        "I tflite  : ",
        "I/tflite  (1234): ",
        "I/tflite  ( 123): INFO: ",
        "06-01 12:34:56.789  1234  1250 I tflite  : ",
        "06-01 12:34:56.789 I/tflite  ( 1234): ",
        "2026-06-01 12:34:56.789  1234  1250 I tflite: ",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\r\n"])
def test_prefixes_and_line_ends_do_not_matter(prefix, end):
    text = TFLITE.replace("INFO: ", prefix).replace("\n", end)
    assert read_log(text) == read_log(TFLITE)


def test_memory_from_monitoring_counts_where_the_growth_is_not_told():
    lines = TFLITE.splitlines()
    assert read_log(TFLITE).peak_memory_mb == pytest.approx(2.5 * MB)
    text = "\n".join(lines[:-2] + lines[-1:])
    assert read_log(text).peak_memory_mb == pytest.approx(7.5 * MB)
    lines = [ln for ln in LITERT.splitlines() if "Overall foot" not in ln]
    log = read_log("\n".join(lines))
    assert log.peak_memory_mb == pytest.approx(15.0 * MB)


def test_flags_that_the_tool_ignored_are_told():
    warning = "WARN: Unconsumed cmdline flags: --use_cpu=true --a=b\n"
    log = read_log(warning + TFLITE)
    assert log.unconsumed_flags == ("--use_cpu=true", "--a=b")


@pytest.mark.parametrize(
    "warning",
    [
        "INFO: Though NNAPI delegate is explicitly applied, the model graph "
        "will not be executed by the delegate.",
        "INFO: Error in applying the default TensorFlow Lite delegate indexed "
        "at 0, and all previously applied delegates are reverted.",
        "Failed to apply GPU delegate.",
        "WARN: Could not create Hexagon delegate: platform may not support "
        "delegate or required libraries are missing",
        "WARN: GPU acceleration is unsupported on this platform.",
        "INFO: Falling back to OpenGL",
        "54 operations will run on the GPU, and the remaining 505 operations "
        "will run on the CPU.",
        "ERROR: an error without consequences",
        "E tflite  : an error without consequences",
    ],
    ids=range(9),
)
def test_what_a_user_must_know_is_a_warning(warning):
    (found,) = read_log(f"{warning}\n{warning}\n{TFLITE}").warnings
    assert warning.endswith(found)


@pytest.mark.parametrize(
    "line",
    [
        "INFO: Explicitly applied GPU delegate, and the model graph will be "
        "completely executed by the delegate.",
        "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
        "WARN: Failed to get the input model file size.",
    ],
    ids=range(3),
)
def test_good_news_is_no_warning(line):
    assert read_log(f"{line}\n{TFLITE}").warnings == ()


def check(name, text):
    """A damaged log gives the true figures or a ValueError."""
    try:
        log = read_log(text)
    except ValueError as error:
        assert str(error)
        return
    true = TRUE[name]
    if name == "litert":
        # All that vouches for its decimals is a summary rounded to 0.01 ms,
        # which is also all that is left without the lines before.
        assert log.median_ms in (true.median_ms, None)
        assert log.mean_ms == pytest.approx(true.mean_ms, abs=0.0051)
    else:
        assert log.median_ms == true.median_ms
        assert log.mean_ms == true.mean_ms


# The profile is long, and most of it has no part in the times.
TEXTS = st.sampled_from([(name, text[:2600]) for name, text in GOOD.items()])
SEEDS = st.integers(0, 2**32 - 1).map(random.Random)
PLACES = st.floats(0, 1)
tried = settings(derandomize=True, max_examples=150, deadline=None)


@tried
@given(TEXTS, SEEDS, st.floats(0, 0.5))
def test_lines_may_be_cut_out_shuffled_and_doubled(case, chance, share):
    name, text = case
    lines = text.splitlines()
    kept = [line for line in lines if chance.random() >= share]
    check(name, "\n".join(kept))
    check(name, "\n".join(kept + chance.choices(lines, k=3)))
    chance.shuffle(kept)
    check(name, "\n".join(kept))


@pytest.mark.parametrize(
    "name", ["tflite", "litert", "bm_tf1.x_android_old_format"]
)
def test_a_log_may_end_at_any_character(name):
    text = GOOD[name]
    for length in range(len(text)):
        check(name, text[:length])


@tried
@given(TEXTS, st.lists(st.tuples(PLACES, st.integers(1, 900)), max_size=3))
def test_slices_may_be_missing(case, slices):
    name, text = case
    for place, length in slices:
        start = int(place * len(text))
        check(name, text[:start])
        text = text[:start] + text[start + length :]
    check(name, text)


@tried
@given(TEXTS, st.lists(st.tuples(PLACES, st.binary(max_size=3)), max_size=5))
def test_bytes_that_are_not_utf_8_may_be_anywhere(case, insertions):
    name, text = case
    data = text.encode()
    for place, insertion in insertions:
        start = int(place * len(data))
        data = data[:start] + b"\xff" + insertion + data[start:]
    check(name, data.decode(errors="replace"))


@tried
@given(st.text() | st.text("count=1 curvgmInfe():.\n"))
def test_any_text_gives_an_error_and_no_other_exception(text):
    with pytest.raises(ValueError):
        read_log(text)
