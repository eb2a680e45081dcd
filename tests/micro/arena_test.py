import importlib.util
import subprocess
import sys

import keras
import pytest

from keras_eff.micro import arena
from keras_eff.micro.arena import arena_size

needs_micro = pytest.mark.skipif(
    importlib.util.find_spec("tflite_micro") is None,
    reason="tflite-micro is not installed",
)


@pytest.fixture
def save(converted, tmp_path):
    def write(name):
        path = tmp_path / "model.tflite"
        path.write_bytes(converted(name).data)
        return path

    return write


@needs_micro
@pytest.mark.parametrize("name", ["conv_int8", "dense"])
def test_it_is_the_smallest_arena_in_which_the_file_runs(save, name):
    from tflite_micro import runtime

    path = str(save(name))
    total = arena_size(path).total_bytes
    assert total % 16 == 0
    runtime.Interpreter.from_file(path, arena_size=total)
    with pytest.raises(RuntimeError, match="allocate"):
        runtime.Interpreter.from_file(path, arena_size=total - 16)


@needs_micro
def test_the_head_holds_what_is_alive_at_once(convert, tmp_path):
    path = tmp_path / "model.tflite"
    heads = []
    for size in (64, 256):
        model = keras.Sequential(
            [keras.Input((size,), batch_size=1), keras.layers.ReLU(3.0)]
        )
        path.write_bytes(convert(model))
        found = arena_size(path)
        assert found.head_bytes + found.tail_bytes <= found.total_bytes
        heads.append(found.head_bytes)
    # An input and an output of four bytes each.
    assert heads[1] - heads[0] >= 2 * 4 * (256 - 64)


@needs_micro
def test_an_arena_above_the_limit_is_not_tried(save):
    path = save("conv_int8")
    needed = arena_size(path).total_bytes
    assert arena_size(path, max_bytes=8192).total_bytes == needed
    limit = arena._LEAST_BYTES
    with pytest.raises(RuntimeError, match="(?s)4096 bytes.*Failed"):
        arena_size(save("lstm"), max_bytes=limit)


@needs_micro
def test_the_words_of_the_runtime_say_what_it_lacks(save):
    with pytest.raises(RuntimeError, match="(?s)Didn't find op.*'SELECT'.*pat"):
        arena_size(save("two_outputs"))


@needs_micro
def test_the_time_it_may_take_is_limited(save):
    with pytest.raises(RuntimeError, match="timeout_s=0.001"):
        arena_size(save("dense"), timeout_s=0.001)


def test_a_missing_package_is_named(save, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", {}.get)
    with pytest.raises(ImportError, match=r"pip install 'keras_eff\[micro\]'"):
        arena_size(save("dense"))


@pytest.mark.parametrize(
    "options",
    [
        {"max_bytes": 4095},
        {"max_bytes": 1e6},
        {"max_bytes": True},
        {"timeout_s": 0},
        {"timeout_s": True},
    ],
    ids=["small", "float", "boolean", "zero_time", "boolean_time"],
)
def test_an_argument_out_of_range_is_refused(save, options):
    (name,) = options
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        arena_size(save("dense"), **options)


def test_a_damaged_or_missing_file_is_refused(converted, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(converted("dense").data[:-200])
    with pytest.raises(ValueError, match="complete.*Received: "):
        arena_size(path)
    with pytest.raises(FileNotFoundError, match="Received: path="):
        arena_size(tmp_path / "missing.tflite")


def test_what_reads_files_needs_neither_keras_nor_tensorflow():
    code = (
        "import sys\n"
        "from keras_eff.debugging import file_tensors, tensors_script\n"
        "from keras_eff.micro import arena, arena_script, to_c_array\n"
        "found = {'keras', 'tensorflow', 'tflite_micro'} & set(sys.modules)\n"
        "sys.exit(bool(found))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
