import pathlib
import sys

import pytest

from keras_eff.edgetpu import compiler as module
from tests.latency.stand_ins import has_ended


@pytest.fixture
def program(tmp_path):
    """Writes an executable of some lines of Python."""

    def program(*lines, name="edgetpu_compiler"):
        path = tmp_path / name
        head = f"#!{sys.executable} -SE\nimport os, signal, sys, time\n"
        path.write_text(head + "\n".join(lines) + "\n")
        path.chmod(0o755)
        return str(path)

    return program


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv(module.VARIABLE, raising=False)


def test_without_a_compiler_none_is_found():
    assert module.find_compiler() is None


def test_the_argument_goes_before_the_variable_and_the_path(
    program, monkeypatch, tmp_path
):
    on_path, other, given = (
        program("", name=name) for name in (module.NAME, "other", "given")
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    assert module.find_compiler() == on_path
    monkeypatch.setenv(module.VARIABLE, other)
    assert module.find_compiler() == other
    assert module.find_compiler(pathlib.Path(given)) == given
    assert module.find_compiler("given") == given


def test_programs_that_cannot_be_run_are_errors(monkeypatch, tmp_path):
    path = tmp_path / "text"
    path.write_text("")
    with pytest.raises(FileNotFoundError, match=r"`compiler`.*compiler='.*t"):
        module.find_compiler(path)
    monkeypatch.setenv(module.VARIABLE, "missing")
    with pytest.raises(FileNotFoundError, match=f"`{module.VARIABLE}`"):
        module.find_compiler()


def test_the_command_line_asks_for_a_table_and_rounds_the_time_up():
    argv = module.arguments("m.tflite", "out", 2, 1.5)
    assert argv == ["-s", "-o", "out", "-n", "2", "-t", "2", "m.tflite"]


def test_what_it_prints_is_returned(program):
    compiler = program(
        "print(sys.argv[1:], flush=True)",
        "sys.stderr.write('problem')",
        "sys.stdout.buffer.write(b'\\xff')",
    )
    text = module.run_compiler(compiler, ["-s", "m"], 60.0)
    assert text == "['-s', 'm']\nproblem\ufffd"


def test_a_failure_comes_with_the_end_of_the_output(program):
    compiler = program(
        "for i in range(50): print('line', i)",
        "sys.exit(3)",
    )
    with pytest.raises(RuntimeError, match="exited with code 3") as caught:
        module.run_compiler(compiler, [], 60.0)
    assert str(caught.value).endswith("line 49")
    assert "line 29" not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    ["os.kill(os.getpid(), signal.SIGKILL)", "sys.exit(128 + 9)"],
    ids=["itself", "its child, through a shell"],
)
def test_death_by_a_signal_is_named(program, line):
    with pytest.raises(RuntimeError, match=r"SIGKILL[\s\S]*\(nothing\)"):
        module.run_compiler(program(line), [], 60.0)


def test_a_compiler_that_hangs_is_killed_with_its_children(tmp_path):
    pids = tmp_path / "pids"
    pids.touch()
    path = tmp_path / "compiler"
    # A shell starts at once.
    path.write_text(f"#!/bin/sh\n/bin/sleep 600 &\necho $$ $! > {pids}\nwait\n")
    path.chmod(0o755)
    with pytest.raises(RuntimeError, match="time was over"):
        module.run_compiler(str(path), [], 1)
    for pid in map(int, pids.read_text().split()):
        assert has_ended(pid)


def test_a_program_of_another_machine_is_an_error(tmp_path):
    path = tmp_path / "compiler"
    path.write_bytes(b"\x7fELF nothing")
    path.chmod(0o755)
    with pytest.raises(RuntimeError, match="Cannot start"):
        module.run_compiler(str(path), [], 60.0)


def test_how_to_compile_names_the_command():
    text = module.how_to_compile("a/m_int8.tflite", 1)
    assert "`edgetpu_compiler -s m_int8.tflite`" in text
    assert "coral-edgetpu-stable" in text
    assert "-s -n 2 m_int8" in module.how_to_compile("m_int8.tflite", 2)
