import os
import signal
import subprocess
import sys

import pytest

from keras_eff.command_line import main
from keras_eff.tuning import launch
from tests.tuning.read_trials_test import write_trial

# The chief waits for the workers, as keras-tuner's does.
SCRIPT = """
import os, pathlib, sys, time
name = os.environ["KERASTUNER_TUNER_ID"]
print(name, "got", *sys.argv[1:])
pathlib.Path(name).touch()
while name == "chief" and not {workers} <= set(os.listdir()):
    time.sleep(0.01)
"""
TWO_WORKERS = {"tuner0", "tuner1"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def script(folder):
    (folder / "search.py").write_text(SCRIPT.format(workers=TWO_WORKERS))
    return "search.py"


def test_the_script_runs_as_the_chief_and_the_workers(script, folder):
    assert main(["launch", "--workers=2", script, "--workers=9", "x"]) == 0
    for name in ("chief", "tuner0", "tuner1"):
        log = folder / "search_logs" / f"{name}.log"
        assert f"{name} got --workers=9 x" in log.read_text()
    assert len(os.listdir("search_logs")) == 3


def test_the_logs_can_go_elsewhere(script):
    assert main(["launch", "--workers=2", "--log_dir=a/b", script]) == 0
    assert "chief.log" in os.listdir("a/b")


def test_the_project_is_settled_and_its_logs_are_beside_it(
    script, folder, capsys
):
    write_trial(folder / "project", "0")
    (folder / "project" / "oracle.json").write_text(
        '{"ongoing_trials": {"tuner1": "0"}, "retry_queue": []}'
    )
    assert main(["launch", "--workers=2", "--project_dir=project", script]) == 0
    assert "chief.log" in os.listdir("project_logs")
    assert {"chief.json", "tuner0.json"} < set(os.listdir("project"))
    assert (
        '"ongoing_trials": {}' in (folder / "project/oracle.json").read_text()
    )
    assert "trials: 1 completed" in capsys.readouterr().err


@pytest.mark.parametrize("status", ["RUNNING", None], ids=["running", "none"])
def test_a_project_that_is_not_complete_is_an_error(
    status, script, folder, capsys
):
    if status:
        write_trial(folder / "project", "0", status=status)
    assert main(["launch", "--workers=2", "--project_dir=project", script]) == 1
    assert "--project_dir=" in capsys.readouterr().err


def test_a_script_that_fails_is_an_error(folder, capsys):
    (folder / "search.py").write_text("raise SystemExit('no data')")
    assert main(["launch", "--max_restarts=0", "search.py"]) == 1
    assert "no data" in capsys.readouterr().err


def test_an_interrupt_ends_it_and_leaves_nothing(folder, capsys):
    (folder / "search.py").write_text(
        "import os, time\n"
        "if os.environ['KERASTUNER_TUNER_ID'] == 'tuner1':\n"
        "    os.kill(os.getppid(), 15)\n"
        "time.sleep(1000)\n"
    )
    assert main(["launch", "search.py"]) == 128 + signal.SIGTERM
    assert "resumes" in capsys.readouterr().err


def test_its_old_name_runs_with_a_warning(script):
    argv = [sys.executable, "-m", "keras_eff.tuning.launch", script, "-x"]
    finished = subprocess.run(argv, capture_output=True, text=True, timeout=600)
    assert finished.returncode == 0
    assert "chief ended: the search is over" in finished.stderr
    assert "`keras-eff launch`. The old name will be" in finished.stderr
    assert "0.3" in finished.stderr
    assert not finished.stdout


def test_its_old_function_warns(capsys):
    with pytest.warns(DeprecationWarning, match="keras-eff launch.* 0.3"):
        assert launch.main(["-h"]) == 0
    assert "Usage: keras-eff launch [OPTIONS] SCRIPT" in capsys.readouterr().out


def test_command_lines_for_several_machines(capsys):
    arguments = [
        "launch",
        "--chief_address=box:80",
        "--workers=2",
        "a.py",
        "--port=1",
    ]
    assert main(arguments) == 0
    comment, *lines = capsys.readouterr().out.splitlines()
    assert comment.startswith("# ")
    assert lines == [
        f"KERASTUNER_TUNER_ID={name} KERASTUNER_ORACLE_IP=box "
        "KERASTUNER_ORACLE_PORT=80 python a.py --port=1"
        for name in ("chief", "tuner0", "tuner1")
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument 'SCRIPT'"),
        (["lost.py"], "no script 'lost.py'"),
        (["--workers=0", "lost.py"], "'--workers': 0 is not"),
        (["--wrkers=1", "lost.py"], "Did you mean '--workers'?"),
        (["--chief_address=box", "a.py"], "HOST:PORT"),
        (["--chief_address=:80", "a.py"], "HOST:PORT"),
        (["--chief_address=box:70000", "a.py"], "HOST:PORT"),
        (["--chief_address=box:80", "--port=1", "a.py"], "and --port"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_arguments_are_named(arguments, message, capsys):
    assert main(["launch", *arguments]) == 2
    assert message in capsys.readouterr().err
