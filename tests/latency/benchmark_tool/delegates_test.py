import pytest

from keras_eff.latency.benchmark_tool.delegates import check_delegate
from keras_eff.latency.benchmark_tool.delegates import delegate_flag
from keras_eff.latency.benchmark_tool.delegates import delegate_title
from keras_eff.latency.benchmark_tool.delegates import is_external
from keras_eff.latency.benchmark_tool.delegates import warn_of_fallback
from keras_eff.latency.benchmark_tool.log import read_log
from tests.latency.stand_ins import litert_log
from tests.latency.stand_ins import tflite_log


def replacing(name):
    return (
        f"VERBOSE: Replacing 2 out of 3 node(s) with delegate ({name}) node, "
        "yielding 2 partitions for subgraph 0."
    )


def applied(title):
    return (
        f"INFO: Explicitly applied {title} delegate, and the model graph will "
        "be partially executed by the delegate w/ 1 delegate kernels."
    )


def refused(title):
    return (
        f"INFO: Though {title} delegate is explicitly applied, the model graph "
        "will not be executed by the delegate."
    )


def warn(delegate, output):
    return warn_of_fallback(delegate, read_log(output), output)


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "libdelegate.so"
    path.touch()
    return str(path)


@pytest.mark.parametrize(
    ("delegate", "flag"),
    [
        ("xnnpack", "--use_xnnpack=true"),
        ("none", "--use_xnnpack=false"),
        ("gpu", "--use_gpu=true"),
        ("nnapi", "--use_nnapi=true"),
    ],
)
def test_a_delegate_of_the_tool_has_a_flag(delegate, flag):
    assert check_delegate(delegate) == delegate_title(delegate) == delegate
    assert not is_external(delegate)
    assert delegate_flag(delegate, "ignored") == flag


def test_an_external_delegate_has_the_flag_of_its_library(library):
    assert check_delegate(library) == library and is_external(library)
    flag = delegate_flag(library, "/there/lib.so")
    assert flag == "--external_delegate_path=/there/lib.so"
    assert delegate_title(library) == "libdelegate.so"


@pytest.mark.parametrize(
    ("delegate", "lines"),
    [
        ("xnnpack", [replacing("TfLiteXNNPackDelegate")]),
        ("xnnpack", [applied("XNNPACK")]),
        ("gpu", [replacing("TfLiteGpuDelegateV2")]),
        ("nnapi", [replacing("TfLiteNnapiDelegate")]),
        ("libvx.so", [replacing("VxDelegate"), applied("EXTERNAL")]),
        ("libvx.so", [replacing("VxDelegate")]),
        ("none", []),
    ],
)
def test_a_delegate_that_took_a_part_gives_no_warning(delegate, lines):
    assert warn(delegate, tflite_log("\n".join(lines))) is None


@pytest.mark.parametrize("delegate", ["gpu", "nnapi", "libvx.so"])
def test_a_file_that_only_xnnpack_took_gives_a_warning(delegate):
    warning = warn(delegate, tflite_log())
    assert warning.startswith(f"The delegate {delegate} ran no part of the")


def test_a_file_that_no_delegate_took_gives_a_warning():
    assert "names no operator" in warn("xnnpack", tflite_log("INFO: nothing"))


def test_the_word_of_the_tool_counts_more_than_the_operators():
    # NNAPI takes operators, then its accelerator refuses them.
    lines = [replacing("TfLiteNnapiDelegate"), refused("NNAPI")]
    warning = warn("nnapi", tflite_log("\n".join(lines)))
    assert "the tool says so" in warning


def test_a_log_of_litert_that_names_no_delegate_tells_nothing():
    assert "does not tell" in warn("gpu", litert_log())


def test_a_delegate_must_be_known_or_a_library():
    with pytest.raises(ValueError, match=r"'xnnpack'.*delegate='coreml'"):
        check_delegate("coreml")
    with pytest.raises(FileNotFoundError, match="delegate=absent.so"):
        check_delegate("absent.so")
    with pytest.raises(TypeError, match="delegate=3 of type builtins.int"):
        check_delegate(3)
