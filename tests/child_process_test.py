import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from keras_eff import child_process

PACKAGE = pathlib.Path(child_process.__file__).parent


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert not list(folder.iterdir())


@pytest.fixture
def write_script(tmp_path):
    def write(body, head=""):
        lines = "".join(f"    {line}\n" for line in body.splitlines())
        path = tmp_path / "script.py"
        path.write_text(f"{head}\ndef main(payload):\n{lines}")
        return path

    return write


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_payload_arrives_and_the_result_returns(write_script):
    script = write_script("return {'got': payload}")
    payload = {"path": "modèle.tflite", "numbers": [1, 2.5, None, True]}
    assert child_process.run(script, payload, 60) == {"got": payload}


def test_the_child_imports_neither_keras_eff_nor_keras(write_script):
    script = write_script("return {'m': list(sys.modules)}", "import sys")
    modules = child_process.run(script, {}, 60)["m"]
    assert not {"keras_eff", "keras", "tensorflow", "numpy"} & set(modules)


def test_folders_of_the_package_are_not_on_the_import_path(write_script):
    script = write_script("return {'path': sys.path}", "import sys")
    package = str(pathlib.Path(child_process.__file__).parent)
    assert package not in child_process.run(script, {}, 60)["path"]


def test_a_relative_script_path_works(write_script, monkeypatch):
    script = write_script("return {}")
    monkeypatch.chdir(script.parent)
    assert child_process.run(script.name, {}, 60) == {}


def test_a_script_may_define_dataclasses(write_script):
    script = write_script(
        "return {'x': Point(1).x}",
        "from __future__ import annotations\nimport dataclasses\n"
        "@dataclasses.dataclass\nclass Point:\n    x: int\n",
    )
    assert child_process.run(script, {}, 60) == {"x": 1}


def test_chatter_reaches_neither_the_result_nor_the_user(write_script, capfd):
    script = write_script(
        "print('{')\nos.write(1, b'native')\nos.write(2, b'native')\n"
        "return {'x': 1}",
        "import os",
    )
    assert child_process.run(script, {}, 60) == {"x": 1}
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL"])
def test_death_by_a_signal_names_the_signal(write_script, name):
    script = write_script(
        f"os.kill(os.getpid(), signal.{name})", "import os, signal"
    )
    with pytest.raises(RuntimeError, match=f"script.py` died of signal {name}"):
        child_process.run(script, {}, 60)


def test_an_exit_code_is_reported_with_the_payload(write_script):
    script = write_script("sys.exit(3)", "import sys")
    with pytest.raises(RuntimeError, match="exited with code 3. Received") as e:
        child_process.run(script, {"path": "m.tflite"}, 60)
    assert 'payload={"path": "m.tflite"}' in str(e.value)


def test_the_last_lines_of_standard_error_are_in_the_message(write_script):
    script = write_script(
        "for i in range(100): print('line', i, file=sys.stderr)\nsys.exit(1)",
        "import sys",
    )
    with pytest.raises(RuntimeError) as e:
        child_process.run(script, {}, 60)
    lines = str(e.value).splitlines()
    assert lines[-10:] == [f"    line {i}" for i in range(90, 100)]
    assert "line 89" not in str(e.value)


def test_standard_error_need_not_be_text(write_script):
    script = write_script("os.write(2, bytes([255]))\nos._exit(1)", "import os")
    with pytest.raises(RuntimeError, match="exited with code 1"):
        child_process.run(script, {}, 60)


def test_a_child_that_hangs_is_killed(write_script, tmp_path):
    script = write_script(
        "open(payload['pid'], 'w').write(str(os.getpid()))\ntime.sleep(60)",
        "import os, time",
    )
    pid = tmp_path / "pid"
    with pytest.raises(RuntimeError, match="time was over.*timeout_s=1.5"):
        child_process.run(script, {"pid": str(pid)}, 1.5)
    assert not is_running(int(pid.read_text()))


def test_a_child_is_killed_when_the_caller_is_interrupted(
    write_script, tmp_path, temporary_folder
):
    pid = tmp_path / "pid"
    script = write_script(
        "open(payload['pid'], 'w').write(str(os.getpid()))\ntime.sleep(60)",
        "import os, time",
    )
    caller = tmp_path / "caller.py"
    caller.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(PACKAGE.parent)!r})\n"
        "from keras_eff import child_process\n"
        f"child_process.run({str(script)!r}, {{'pid': {str(pid)!r}}}, 60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(caller)],
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(temporary_folder)},
    )
    wait_for(lambda: pid.exists() and pid.read_text())
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert stderr.endswith(b"KeyboardInterrupt\n")
    wait_for(lambda: not is_running(int(pid.read_text())))


@pytest.mark.parametrize("kind", [ValueError, TypeError, ImportError])
def test_a_clean_error_keeps_its_type_and_message(write_script, kind):
    script = write_script(f"raise {kind.__name__}('Received: é')")
    with pytest.raises(kind) as e:
        child_process.run(script, {}, 60)
    assert str(e.value) == "Received: é"


def test_any_other_error_brings_its_traceback(write_script):
    script = write_script("return payload['absent']")
    with pytest.raises(RuntimeError, match="script.py.*\n(.*\n)*KeyError"):
        child_process.run(script, {}, 60)


def test_a_script_that_cannot_be_loaded_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="FileNotFoundError.*absent.py"):
        child_process.run(tmp_path / "absent.py", {}, 60)


def test_a_result_that_json_cannot_hold_is_a_type_error(write_script):
    with pytest.raises(TypeError, match="not JSON serializable"):
        child_process.run(write_script("return {'x': object()}"), {}, 60)


@pytest.mark.parametrize("partial", ["", '{"result": {"x"'])
def test_an_incomplete_result_is_an_error(write_script, partial):
    script = write_script(
        f"open(sys.argv[3], 'w').write({partial!r})\n"
        "sys.stdout.close()\nos._exit(0)",
        "import os, sys",
    )
    with pytest.raises(RuntimeError, match="left no complete result"):
        child_process.run(script, {}, 60)


def test_a_child_that_ends_without_a_result_is_an_error(write_script):
    script = write_script("sys.exit(0)", "import sys")
    with pytest.raises(RuntimeError, match="left no complete result"):
        child_process.run(script, {}, 60)
