"""With a program in place of the compiler, which replays what it printed."""

import json
import pathlib
import sys

import keras
import numpy as np
import pytest
from keras import layers

import keras_eff
from keras_eff.edgetpu.compiler import NAME
from keras_eff.edgetpu.compiler import VARIABLE
from keras_eff.edgetpu.lint import lint_edgetpu
from keras_eff.edgetpu.to_edgetpu import to_edgetpu

LOGS = pathlib.Path(__file__).with_name("logs")
PARTIAL = LOGS / "edgetpu_16.0_partial_no_s_flag.txt"
COMPILED = b"\0\0\0\0TFL3 compiled"

HEAD = f"""#!{sys.executable} -SE
import json, os, signal, sys, time
text = {{text!r}}
with open({{record!r}}, "w") as file:
    json.dump(sys.argv[1:], file)
folder, count = sys.argv[3], int(sys.argv[5])
stem = os.path.basename(sys.argv[-1]).removesuffix(".tflite")
def write(content={COMPILED!r}):
    names = [""] if count == 1 else [
        f"_segment_{{{{i}}}}_of_{{{{count}}}}" for i in range(count)
    ]
    for name in names:
        path = os.path.join(folder, stem + name + "_edgetpu.tflite")
        with open(path, "wb") as file:
            file.write(content + name.encode())
def replay():
    sys.stdout.write(text)
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def stand_in(tmp_path):
    """Writes a program that replays a log and then runs some lines."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def write(*lines, log=PARTIAL):
        path = folder / NAME
        head = HEAD.format(
            text=log.read_text(encoding="utf-8"),
            record=str(folder / "argv.json"),
        )
        path.write_text(head + "\n".join(lines) + "\n")
        path.chmod(0o755)
        return path

    return write


def argv_of(compiler):
    return json.loads(compiler.with_name("argv.json").read_text())


def convnet():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )


@pytest.fixture(scope="module")
def samples():
    generator = np.random.default_rng(0)
    return generator.standard_normal((8, 8, 8, 3)).astype("float32")


@pytest.fixture
def folder(tmp_path):
    """Where the files are to be written."""
    path = tmp_path / "files"
    path.mkdir()
    return path


@pytest.fixture
def source(folder, converted):
    """An int8 file, which maps whole."""
    path = folder / "given.tflite"
    path.write_bytes(converted("conv_int8").data)
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_float_model_is_quantized_and_compiled(stand_in, folder, samples):
    compiler = stand_in("write()", "replay()")
    report = to_edgetpu(
        convnet(), folder / "m_edgetpu.tflite", samples, compiler=compiler
    )
    assert names(folder) == ["m_edgetpu.tflite", "m_int8.tflite"]
    assert (folder / "m_edgetpu.tflite").read_bytes() == COMPILED
    assert report.paths == (str(folder / "m_edgetpu.tflite"),)
    assert report.int8_path == str(folder / "m_int8.tflite")
    assert report.conversion.path == report.int8_path
    assert report.conversion.float_tensors == ()
    assert report.rows == lint_edgetpu(report.int8_path).rows
    assert report.mapped == report.total
    assert report.compiled.success
    assert report.compiled.models[0].tpu_operations == 264
    assert "264 of 267 operations" in str(report)
    contents = keras_eff.export.inspect(report.int8_path)
    assert contents.inputs[0].shape == (1, 8, 8, 3)


def test_a_model_that_is_quantized_needs_no_samples(folder, samples):
    model = keras_eff.calibrate(keras_eff.quantize(convnet()), samples)
    report = to_edgetpu(model, folder / "m.tflite", without_compiler="warn")
    assert report.mapped == report.total
    assert names(folder) == ["m_int8.tflite"]


def test_a_float_model_without_samples_is_an_error(folder):
    with pytest.raises(ValueError, match="`samples`"):
        to_edgetpu(convnet(), folder / "m.tflite")
    assert names(folder) == []


def test_a_file_is_compiled_as_it_is(stand_in, folder, source):
    data = source.read_bytes()
    compiler = stand_in("write()", "replay()")
    path = folder / "other.tflite"
    report = to_edgetpu(
        str(source), str(path), compiler=compiler, timeout_s=90.5
    )
    assert source.read_bytes() == data
    assert (report.int8_path, report.conversion) == (str(source), None)
    assert names(folder) == ["given.tflite", "other.tflite"]
    s, o, _, *rest = argv_of(compiler)
    assert (s, o) == ("-s", "-o")
    assert rest == ["-n", "1", "-t", "91", str(source.resolve())]


def test_segments_lie_beside_the_path(stand_in, folder, source):
    compiler = stand_in("write()", "replay()")
    report = to_edgetpu(
        source, folder / "m_edgetpu.tflite", num_segments=2, compiler=compiler
    )
    segments = [f"m_segment_{i}_of_2_edgetpu.tflite" for i in range(2)]
    assert names(folder) == ["given.tflite", *segments]
    assert report.paths == tuple(str(folder / name) for name in segments)
    contents = [pathlib.Path(path).read_bytes() for path in report.paths]
    assert contents[1] == COMPILED + b"_segment_1_of_2"
    assert argv_of(compiler)[3:5] == ["-n", "2"]


def test_the_compiler_is_found_by_the_variable(
    stand_in, folder, source, monkeypatch
):
    monkeypatch.setenv(VARIABLE, str(stand_in("write()", "replay()")))
    assert to_edgetpu(source, folder / "m.tflite").compiled.success


FAILURES = {
    "exit 1": (
        ["write()", "replay()", "sys.exit(1)"],
        LOGS / "edgetpu_16.0_FAILED_op_version.txt",
        r"exited with code 1[\s\S]*'QUANTIZE' version '3'",
    ),
    "exit 0 without success": (
        ["write()", "replay()"],
        LOGS / "edgetpu_15.0_FAILED_not_quantized.txt",
        r"did not compile the file[\s\S]*Model not quantized",
    ),
    "nothing mapped": (
        ["write()", "replay()"],
        LOGS / "edgetpu_14.1_zero_mapped.txt",
        r"left all operations to the CPU[\s\S]*unsupported data type",
    ),
    "silence": (
        ["write()"],
        PARTIAL,
        r"printed nothing that it is known to print[\s\S]*\(nothing\)",
    ),
    "no file": (
        ["replay()"],
        PARTIAL,
        r"did not write a .tflite file given_edgetpu.tflite",
    ),
    "another file": (
        ["write(b'something else')", "replay()"],
        PARTIAL,
        r"did not write a .tflite file given_edgetpu.tflite",
    ),
    "signal": (
        ["os.kill(os.getpid(), signal.SIGSEGV)"],
        PARTIAL,
        r"died of signal SIGSEGV",
    ),
    "hang": (
        ["write()", "time.sleep(600)"],
        PARTIAL,
        r"time was over",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_does_not_compile_leaves_everything_as_it_was(
    stand_in, folder, source, name
):
    lines, log, message = FAILURES[name]
    path = folder / "m.tflite"
    path.write_bytes(b"before")
    timeout_s = 1 if name == "hang" else 60
    compiler = stand_in(*lines, log=log)
    with pytest.raises(RuntimeError, match=message):
        to_edgetpu(source, path, compiler=compiler, timeout_s=timeout_s)
    assert path.read_bytes() == b"before"
    assert names(folder) == ["given.tflite", "m.tflite"]


def test_a_missing_segment_writes_none(stand_in, folder, source):
    last = "os.remove(os.path.join(folder, os.listdir(folder)[0]))"
    compiler = stand_in("write()", last, "replay()")
    with pytest.raises(RuntimeError, match="did not write"):
        to_edgetpu(
            source, folder / "m.tflite", num_segments=2, compiler=compiler
        )
    assert names(folder) == ["given.tflite"]


def test_without_a_compiler_it_is_an_error_by_default(folder, source):
    with pytest.raises(RuntimeError) as caught:
        to_edgetpu(source, folder / "m.tflite", num_segments=3)
    message = str(caught.value)
    assert f"{source} is ready for it" in message
    assert lint_edgetpu(source).summary in message
    assert "`edgetpu_compiler -s -n 3 given.tflite`" in message


def test_without_a_compiler_it_may_be_a_warning(folder, source, caplog):
    report = to_edgetpu(source, folder / "m.tflite", without_compiler="warn")
    assert (report.paths, report.compiled) == ((), None)
    assert "`edgetpu_compiler -s given.tflite`" in caplog.text
    assert names(folder) == ["given.tflite"]


def test_a_file_of_which_nothing_maps_is_not_compiled(
    stand_in, folder, converted
):
    source = folder / "float.tflite"
    source.write_bytes(converted("dense").data)
    compiler = stand_in("write()", "replay()")
    with pytest.raises(ValueError, match=r"must map[\s\S]*is float32"):
        to_edgetpu(source, folder / "m.tflite", compiler=compiler)
    assert names(compiler.parent) == [NAME]


def test_a_model_of_which_nothing_maps_leaves_nothing(folder):
    model = keras.Sequential([keras.Input((4,)), layers.LeakyReLU()])
    samples = np.linspace(-4, 4, 32, dtype="float32").reshape(8, 4)
    with pytest.raises(ValueError, match=r"must map[\s\S]*LEAKY_RELU"):
        to_edgetpu(model, folder / "m.tflite", samples)
    assert names(folder) == []


def test_the_given_file_is_never_overwritten(stand_in, folder, source):
    compiler = stand_in("write()", "replay()")
    data = source.read_bytes()
    link = folder / "link.tflite"
    link.symlink_to(source)
    for path in (source, link):
        with pytest.raises(ValueError, match="must not be the file"):
            to_edgetpu(source, path, compiler=compiler)
    assert source.read_bytes() == data


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_segments": 0}, "`num_segments`.*num_segments=0"),
        ({"num_segments": True}, "`num_segments`.*num_segments=True"),
        ({"without_compiler": "skip"}, "`without_compiler`.*'skip'"),
        ({"timeout_s": 0}, "`timeout_s`.*timeout_s=0"),
        ({"timeout_s": float("nan")}, "`timeout_s`.*timeout_s=nan"),
        ({"samples": [1.0]}, "`samples` at None"),
    ],
    ids=["segments", "boolean", "without", "time", "no time", "samples"],
)
def test_arguments_out_of_range_are_errors(folder, source, arguments, message):
    with pytest.raises(ValueError, match=message):
        to_edgetpu(source, folder / "m.tflite", **arguments)


def test_files_that_do_not_exist_are_errors(folder, source):
    with pytest.raises(FileNotFoundError, match="`path` must be the path"):
        to_edgetpu(folder / "missing.tflite", folder / "m.tflite")
    with pytest.raises(FileNotFoundError, match="`compiler`"):
        to_edgetpu(source, folder / "m.tflite", compiler="missing")
    with pytest.raises(OSError):
        to_edgetpu(source, folder / "missing" / "m.tflite")


def test_what_is_neither_a_model_nor_a_path_is_an_error(folder):
    with pytest.raises(TypeError, match="to_edgetpu"):
        to_edgetpu(object(), folder / "m.tflite")
    for segments in (1, 2):
        with pytest.raises(TypeError, match="`path`"):
            to_edgetpu(convnet(), 3, num_segments=segments)
