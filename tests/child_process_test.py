import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from keras_eff import atomic_write
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


TAKE_MEMORY = "held = []\nwhile True: held.append(bytearray(10**7))"


def test_a_child_that_takes_too_much_memory_fails_alone(write_script):
    expected = "not enough.*500 MB of memory.*KERAS_EFF_CHILD_MEMORY_MB"
    with pytest.raises(RuntimeError, match=expected):
        child_process.run(write_script(TAKE_MEMORY), {}, 60, 500_000_000)


def test_the_user_can_change_the_limit_of_memory(write_script, monkeypatch):
    script = write_script("return {'n': len(bytearray(300_000_000))}")
    monkeypatch.setenv("KERAS_EFF_CHILD_MEMORY_MB", "200")
    with pytest.raises(RuntimeError, match="limit of 200 MB"):
        child_process.run(script, {}, 60, 10**9)
    monkeypatch.setenv("KERAS_EFF_CHILD_MEMORY_MB", "500")
    assert child_process.run(script, {}, 60, 100) == {"n": 300_000_000}
    monkeypatch.setenv("KERAS_EFF_CHILD_MEMORY_MB", "much")
    with pytest.raises(ValueError, match="CHILD_MEMORY_MB='much'"):
        child_process.run(script, {}, 60)


def test_the_limit_of_memory_follows_the_files_and_the_machine(
    write_script, tmp_path
):
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"")
    with large.open("wb") as file:
        file.truncate(2 * 10**9)
    least, most = child_process.memory_for(small), 10**18
    assert 10**9 < least < 4 * 10**9
    # Copies of a large model fit.
    assert child_process.memory_for(small, large) > least + 6 * 10**9
    script = write_script(
        "return {k: resource.getrlimit(getattr(resource, f'RLIMIT_{k}'))[0]\n"
        "        for k in ('DATA', 'FSIZE', 'CORE')}",
        "import resource",
    )
    limits = child_process.run(script, {}, 60, most)
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < limits["DATA"] == limits["FSIZE"] < machine
    assert limits["CORE"] == 0


@pytest.fixture
def orphan(write_script, tmp_path, temporary_folder):
    """Starts a child, kills its caller, and returns the pid of the child."""

    def make(body, timeout_s):
        script = write_script(body, "import ctypes, os, pathlib, sys, time")
        pid = tmp_path / "pid"
        caller = (
            "from keras_eff import child_process\n"
            f"child_process.run({str(script)!r}, {{'pid': {str(pid)!r}}}, "
            f"{timeout_s})\n"
        )
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "TMPDIR": str(temporary_folder),
        }
        process = subprocess.Popen(
            [sys.executable, "-c", caller], env=environment
        )
        wait_for(lambda: pid.exists() and pid.read_text())
        process.kill()
        process.wait(60)
        return int(pid.read_text())

    yield make
    with atomic_write.temporary_folder():
        """Removes what the caller left."""


TELL_AND_WAIT = (
    "pathlib.Path(payload['pid']).write_text(str(os.getpid()))\n"
    "while True: time.sleep(1)"
)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells a child.")
def test_a_child_ends_with_a_caller_that_is_killed(orphan):
    child = orphan(TELL_AND_WAIT, 600)
    wait_for(lambda: not is_running(child))


def test_a_child_ends_by_itself_when_its_time_is_over(orphan):
    # Where no system tells it that its caller has ended.
    forget = "sys.platform == 'linux' and ctypes.CDLL(None).prctl(1, 0)\n"
    start = time.monotonic()
    child = orphan(forget + TELL_AND_WAIT, 1)
    assert is_running(child)
    wait_for(lambda: not is_running(child))
    assert time.monotonic() - start < 30


def test_names_of_strangers_do_not_control_the_terminal(write_script):
    script = write_script(
        "print('\\x1b[2J')\n"
        "if payload['dies']: os._exit(1)\n"
        "raise ValueError('input \\x1b[2J\\u202e of\\na file')",
        "import os",
    )
    for dies in (True, False):
        with pytest.raises((RuntimeError, ValueError)) as e:
            child_process.run(script, {"dies": dies}, 60)
        assert r"\x1b[2J" in str(e.value)
        assert str(e.value).replace("\n", "").isprintable()
    assert str(e.value) == "input \\x1b[2J\\u202e of\na file"
