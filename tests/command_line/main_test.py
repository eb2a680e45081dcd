import json
import os
import subprocess
import sys

import pytest

import keras_eff
from keras_eff.command_line import main

COMMANDS = (
    *("convert", "inspect", "measure", "compare"),
    *("lint", "debug", "edgetpu", "c-array", "launch"),
)


def test_help_lists_the_commands_with_an_example_each(run):
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    for command in COMMANDS:
        assert f"\n  {command} " in out
        assert f"\n    keras-eff {command} " in out


def test_without_a_command_it_prints_the_help_and_fails(run):
    code, out, err = run()
    assert (code, out) == (2, "")
    assert err == run("-h")[1]


def test_it_prints_its_version(run):
    text = f"keras-eff {keras_eff.__version__}\n"
    assert run("--version") == (0, text, "")


def test_an_unknown_command_is_an_error_that_names_the_nearest(run):
    code, out, err = run("inspekt", "x.tflite")
    assert (code, out) == (2, "")
    assert err.startswith("keras-eff: error: No such command 'inspekt'")
    assert "Did you mean 'inspect'?" in err and "`keras-eff --help`" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_has_usage_options_and_examples(run, command):
    code, out, err = run(command, "-h")
    assert (code, err) == (0, "") and run(command, "--help")[1] == out
    assert out.startswith(f"Usage: keras-eff {command} [OPTIONS] ")
    assert f"\n    keras-eff {command} " in out.partition("Example")[2]
    assert "\nOptions:\n  --" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("inspect a --jsn", "No such option '--jsn'. Did you mean '--json'?"),
        ("inspect", "Missing argument 'FILE.tflite...'."),
        ("c-array a b c", "Got unexpected extra argument (c)"),
        (
            "measure a --num_runs=x",
            "Invalid value for '--num_runs': 'x' is not",
        ),
        ("measure a --num_runs=0", "Invalid value for '--num_runs': 0 is not"),
        ("measure a --json --csv", "Only one of --json and --csv"),
        ("debug a b", "Missing option '--samples'."),
    ],
    ids=lambda text: text.split()[0],
)
def test_a_wrong_argument_is_told_in_one_line(run, line, message):
    code, out, err = run(*line.split())
    assert (code, out) == (2, "")
    assert err.startswith(f"keras-eff: error: {message}")
    command = line.split()[0]
    assert err.endswith(f" See `keras-eff {command} --help`\n")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_options_stand_before_between_or_after_the_files(run, here, place):
    arguments = ["float.tflite", "int8.tflite"]
    arguments.insert(place, "--json")
    code, out, _ = run("inspect", *arguments)
    assert code == 0 and len(json.loads(out)) == 2


def test_after_two_dashes_all_are_files(run):
    code, _, err = run("inspect", "--", "--json")
    assert code == 2 and "--json" in err and "No such option" not in err


def test_a_runtime_error_is_a_failed_check(run, monkeypatch):
    monkeypatch.setattr(keras_eff.export, "inspect", raiser(RuntimeError("no")))
    assert run("inspect", "a") == (1, "", "keras-eff: error: no\n")


@pytest.mark.parametrize("kind", [ValueError, TypeError, OSError, ImportError])
def test_an_error_of_the_user_is_one_line(run, monkeypatch, kind):
    monkeypatch.setattr(keras_eff.export, "inspect", raiser(kind("bad")))
    code, out, err = run("inspect", "a")
    assert (code, out) == (2, "")
    assert err.startswith("keras-eff: error: ") and err.endswith("bad\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize("kind", [KeyError, NotImplementedError])
def test_a_bug_keeps_its_traceback(run, monkeypatch, kind):
    monkeypatch.setattr(keras_eff.export, "inspect", raiser(kind("bug")))
    with pytest.raises(kind, match="bug"):
        run("inspect", "a")


def test_an_interrupt_is_quiet(run, monkeypatch):
    monkeypatch.setattr(keras_eff.export, "inspect", raiser(KeyboardInterrupt))
    assert run("inspect", "a") == (130, "", "")


def test_verbosity_shows_where_an_error_comes_from(run):
    code, _, err = run("inspect", "absent.tflite", "-v", "1")
    assert code == 2
    assert "Traceback" in err and "FileNotFoundError" in err
    assert "Traceback" not in run("inspect", "absent.tflite")[2]


def test_a_reader_that_leaves_is_no_error(here):
    reader, writer = os.pipe()
    os.close(reader)
    finished = subprocess.run(
        [sys.executable, "-P", "-m", "keras_eff", "inspect", "float.tflite"],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (finished.returncode, finished.stderr) == (141, b"")


READING_ONLY = """
import sys
from keras_eff.command_line import main
for line in sys.argv[1:]:
    code = main(line.split())
    heavy = {"keras", "tensorflow"} & set(sys.modules)
    print(code, line, *heavy, file=sys.stderr)
"""


def test_what_reads_files_starts_without_keras(start, here):
    lines = [
        "inspect float.tflite",
        "lint int8.tflite",
        "measure float.tflite --num_runs=1",
        "compare float.tflite int8.tflite --samples=x.npy",
        "c-array float.tflite quick.h",
        "convert --help",
    ]
    finished = start("-c", READING_ONLY, *lines)
    assert finished.stderr.splitlines() == [f"0 {line}" for line in lines]


def test_python_runs_the_package(start, here):
    finished = start("-m", "keras_eff", "inspect", "--json", "float.tflite")
    assert (finished.returncode, finished.stderr) == (0, "")
    (found,) = json.loads(finished.stdout)
    assert found["size_bytes"] == (here / "float.tflite").stat().st_size


def raiser(error):
    def fail(*args):
        raise error

    return fail


@pytest.mark.parametrize("file", ["float.tflite", "absent.tflite"])
def test_a_process_needs_no_standard_streams(here, monkeypatch, file):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["inspect", file]) == (0 if file == "float.tflite" else 2)


@pytest.mark.parametrize("command", ["inspect", "lint", "measure"])
def test_names_of_files_do_not_control_the_terminal(
    run, here, tmp_path, command
):
    path = tmp_path / "a\x1b[2J\nb.tflite"
    path.write_bytes((here / "float.tflite").read_bytes())
    code, out, err = run(command, str(path))
    assert code in (0, 1) and r"a\x1b[2J\nb.tflite" in out
    assert (out + err).replace("\n", "").isprintable()
