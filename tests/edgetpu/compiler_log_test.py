import pathlib

import hypothesis
import pytest
from hypothesis import strategies as st

from keras_eff.edgetpu.compiler_log import CompiledModel
from keras_eff.edgetpu.compiler_log import EdgeTpuLog
from keras_eff.edgetpu.compiler_log import read_edgetpu_log

LOGS = pathlib.Path(__file__).with_name("logs")
MAPPED = "Mapped to Edge TPU"


def sample(name):
    return (LOGS / f"edgetpu_{name}.txt").read_text(encoding="utf-8")


def read(name):
    return read_edgetpu_log(sample(name))


def counts(model):
    return {(row.op, row.count, row.status) for row in model.operations}


def test_a_file_that_maps_whole_is_read():
    log = read("16.0_all_mapped_yolov7tiny")
    assert (log.version, log.success, log.error) == (
        "16.0.384591198",
        True,
        None,
    )
    (model,) = log.models
    assert counts(model) == {
        ("ADD", 3, MAPPED),
        ("RESHAPE", 6, MAPPED),
        ("MAX_POOL_2D", 4, MAPPED),
        ("CONCATENATION", 18, MAPPED),
        ("PAD", 4, MAPPED),
        ("LOGISTIC", 64, MAPPED),
        ("RESIZE_NEAREST_NEIGHBOR", 2, MAPPED),
        ("QUANTIZE", 5, MAPPED),
        ("MUL", 73, "Mapped to Ed"),
    }
    assert model == CompiledModel(
        input="runs/train/exp8/weights/best-int8.tflite",
        output="runs/train/exp8/weights/best-int8_edgetpu.tflite",
        compile_ms=3133,
        input_bytes=6 * 2**20,
        output_bytes=round(6.47 * 2**20),
        on_chip_used_bytes=round(5.90 * 2**20),
        on_chip_remaining_bytes=round(1.16 * 2**20),
        off_chip_bytes=41 * 2**10 + 768,
        subgraphs=1,
        total_operations=246,
        tpu_operations=246,
        cpu_operations=0,
        operations=model.operations,
    )


def test_a_file_that_maps_in_part_is_read():
    log = read("16.0_partial_no_s_flag")
    assert (log.version, log.success, log.error) == (
        "16.0.384591198",
        True,
        None,
    )
    assert log.models == (
        CompiledModel(
            input="efficientdet_coral_v2.tflite",
            output="efficientdet_coral_v2_edgetpu.tflite",
            compile_ms=1524,
            input_bytes=round(4.24 * 2**20),
            output_bytes=round(5.57 * 2**20),
            on_chip_used_bytes=round(4.21 * 2**20),
            on_chip_remaining_bytes=round(3.29 * 2**20),
            off_chip_bytes=0,
            subgraphs=1,
            total_operations=267,
            tpu_operations=264,
            cpu_operations=3,
        ),
    )


def test_a_file_of_which_nothing_maps_is_read():
    log = read("14.1_zero_mapped")
    assert (log.version, log.success) == ("14.1.317412892", True)
    (model,) = log.models
    assert (model.tpu_operations, model.cpu_operations) == (0, 400)
    assert (model.subgraphs, model.total_operations) == (0, 400)
    assert (model.compile_ms, model.on_chip_remaining_bytes) == (98, 0)
    kind = "Operation is working on an unsupported data type"
    assert counts(model) == {
        ("CONV_2D", 70, kind),
        ("TRANSPOSE_CONV", 4, "Operation is work"),
    }
    assert not any(row.maps for row in model.operations)


def test_a_file_that_is_not_quantized_fails():
    assert read("15.0_FAILED_not_quantized") == EdgeTpuLog(
        version="15.0.340273435",
        success=False,
        error="Invalid model: mobilenet_v2_1.0_224_quant.tflite\n"
        "Model not quantized",
        models=(),
    )


def test_an_operation_that_the_compiler_does_not_know_fails():
    log = read("16.0_FAILED_op_version")
    assert (log.version, log.success, log.models) == (
        "16.0.384591198",
        False,
        (),
    )
    assert "builtin opcode 'QUANTIZE' version '3'" in log.error
    assert log.error.endswith("Model could not be parsed")


def test_log_files_of_two_models_are_read():
    log = read("log_file_15.0_two_models")
    assert (log.version, log.success, log.error) == (
        "15.0.340273435",
        None,
        None,
    )
    part, whole = log.models
    assert (part.input, part.output) == (
        "mnist4.tflite",
        "mnist4_edgetpu.tflite",
    )
    assert counts(part) == {
        ("RESHAPE", 1, MAPPED),
        ("CONV_2D", 2, MAPPED),
        ("SOFTMAX", 1, MAPPED),
        (
            "QUANTIZE",
            1,
            "Operation is otherwise supported, but not mapped due to some "
            "unspecified limitation",
        ),
        (
            "DEQUANTIZE",
            1,
            "Operation is working on an unsupported data type",
        ),
        ("MAX_POOL_2D", 2, MAPPED),
        ("FULLY_CONNECTED", 2, MAPPED),
    }
    assert (whole.input, whole.output) == (
        "mnist7.tflite",
        "mnist7_edgetpu.tflite",
    )
    assert counts(whole) == {
        ("SOFTMAX", 1, MAPPED),
        ("FULLY_CONNECTED", 2, MAPPED),
        ("RESHAPE", 1, MAPPED),
        ("CONV_2D", 2, MAPPED),
        ("MAX_POOL_2D", 2, MAPPED),
    }
    assert all(row.maps for row in whole.operations)
    assert whole.total_operations is whole.tpu_operations is None


def test_each_segment_is_a_model():
    segments = [
        sample("16.0_partial_no_s_flag").replace(
            "efficientdet_coral_v2", f"m_segment_{number}_of_2"
        )
        for number in range(2)
    ]
    log = read_edgetpu_log("\n".join(segments))
    assert [model.output for model in log.models] == [
        "m_segment_0_of_2_edgetpu.tflite",
        "m_segment_1_of_2_edgetpu.tflite",
    ]
    assert [model.compile_ms for model in log.models] == [1524, 1524]


def test_a_segment_that_fails_is_a_failure():
    whole = sample("16.0_partial_no_s_flag")
    log = read_edgetpu_log(
        whole + "\nCompilation failed: Too large.\nCompilation failed!"
    )
    assert log.success is False
    assert log.error == "Compilation failed: Too large.\nCompilation failed!"


def test_what_follows_a_failed_attempt_counts():
    text = "ERROR: Restored.\nCompilation failed!\n"
    log = read_edgetpu_log(text + sample("16.0_partial_no_s_flag"))
    assert (log.success, log.error) == (True, None)


@pytest.mark.parametrize(
    "line",
    [
        "Internal compiler error. Aborting!",
        "Compilation failed!",
        "/usr/bin/edgetpu_compiler: line 3: 7 Segmentation fault (core dumped)",
    ],
    ids=["internal", "failed", "segfault"],
)
def test_the_words_of_a_crash_are_the_error(line):
    log = read_edgetpu_log(f"Edge TPU Compiler version 16.0\n\n{line}\n")
    assert (log.success, log.error) == (False, line)


def test_bytes_are_read_with_those_that_are_not_text_replaced():
    text = sample("16.0_partial_no_s_flag").encode()
    assert read_edgetpu_log(text) == read("16.0_partial_no_s_flag")
    log = read_edgetpu_log(b"Input: \xff\xfe.tflite")
    assert log.models[0].input == "\ufffd\ufffd.tflite"


def test_a_text_that_is_cut_lacks_its_end():
    text = sample("16.0_partial_no_s_flag")
    (model,) = read_edgetpu_log(text[: text.index("Off-chip")]).models
    assert model.on_chip_used_bytes == round(4.21 * 2**20)
    assert model.off_chip_bytes is model.total_operations is None
    assert model.tpu_operations is model.cpu_operations is None


@pytest.mark.parametrize("text", ["", "hello\nworld"], ids=["empty", "other"])
def test_text_of_something_else_is_an_error(text):
    with pytest.raises(ValueError, match="`text` must be the output"):
        read_edgetpu_log(text)


LINES = sorted(
    {
        line
        for path in LOGS.glob("edgetpu_*")
        for line in path.read_text(encoding="utf-8").splitlines()
    }
)


@hypothesis.settings(derandomize=True, max_examples=80, deadline=None)
@hypothesis.given(
    lines=st.lists(st.sampled_from(LINES), max_size=12),
    cut=st.integers(0, 400),
    noise=st.binary(max_size=8),
    place=st.integers(0, 400),
)
def test_damaged_text_never_crashes(lines, cut, noise, place):
    text = "\n".join(lines).encode()[: -cut or None]
    text = text[:place] + noise + text[place:]
    try:
        log = read_edgetpu_log(text)
    except ValueError:
        return
    assert log.version or log.models or log.success is not None
