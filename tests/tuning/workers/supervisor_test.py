import os
import signal
import sys

import pytest

import keras_eff.tuning.workers.supervisor
from keras_eff.tuning.workers.process import SearchProcess
from keras_eff.tuning.workers.process import end_all
from keras_eff.tuning.workers.supervisor import Supervisor

HANG = "import time; time.sleep(1000)"
DIE_ONCE = """
import os, pathlib
if not pathlib.Path('died').exists():
    pathlib.Path('died').touch()
    os.kill(os.getpid(), 9)
pathlib.Path('done').touch()
"""
WAIT_FOR_DONE = """
import pathlib, time
while not pathlib.Path('done').exists():
    time.sleep(0.01)
"""
SIGNAL_THE_PARENT = "import os; os.kill(os.getppid(), {})\n" + HANG


@pytest.fixture
def search(tmp_path, monkeypatch):
    """Makes a Supervisor and its members of their source."""
    monkeypatch.chdir(tmp_path)
    everyone = []

    def make(chief, *workers, **options):
        names = ["chief", *(f"tuner{i}" for i in range(len(workers)))]
        everyone.extend(
            SearchProcess(
                name,
                [sys.executable, "-c", code],
                os.environ,
                tmp_path / f"{name}.log",
            )
            for name, code in zip(names, [chief, *workers], strict=True)
        )
        defaults = {
            "max_restarts": 2,
            "grace_s": 60.0,
            "chief_grace_s": 0.0,
            "is_listening": bool,
            "watch": bool,
        }
        return Supervisor(
            everyone[0], everyone[1:], **(defaults | options)
        ), everyone

    yield make
    end_all(everyone, 0.0)


def test_a_search_is_over_when_the_chief_has_ended(search):
    supervisor, everyone = search(WAIT_FOR_DONE, DIE_ONCE, "")
    assert supervisor.run() is None
    assert all(member.poll().code == 0 for member in everyone)


def test_a_worker_that_dies_is_started_again(search):
    supervisor, (chief, worker, other) = search(WAIT_FOR_DONE, DIE_ONCE, "")
    supervisor.run()
    assert (chief.starts, worker.starts, other.starts) == (1, 2, 1)


def test_a_worker_that_fails_too_often_ends_the_search(search):
    supervisor, everyone = search(HANG, "raise SystemExit('no disk')", HANG)
    message = "tuner0 exited with code 1 at start 3(?s:.*)no disk"
    with pytest.raises(RuntimeError, match=message):
        supervisor.run()
    assert all(member.poll() for member in everyone)


def test_a_chief_that_fails_ends_the_search(search):
    supervisor, everyone = search("raise SystemExit('no port')", HANG)
    with pytest.raises(RuntimeError, match="chief exited(?s:.*)no port"):
        supervisor.run()
    assert all(member.poll() for member in everyone)


def test_a_chief_that_waits_for_nobody_is_an_error(search):
    supervisor, everyone = search(HANG, "", is_listening=lambda: True)
    with pytest.raises(RuntimeError, match="the chief still waits"):
        supervisor.run()
    assert all(member.poll() for member in everyone)


def test_a_chief_that_is_busy_after_the_search_is_waited_for(search, tmp_path):
    calls = []

    def listen():
        calls.append(None)
        if len(calls) == 2:
            (tmp_path / "done").touch()

    supervisor, _ = search(WAIT_FOR_DONE, "", is_listening=listen)
    assert supervisor.run() is None
    assert len(calls) >= 2


def test_a_worker_that_outlives_the_chief_is_ended(search):
    supervisor, (_, worker) = search("", HANG, grace_s=0.0)
    assert supervisor.run() is None
    assert worker.poll().failure


def test_the_search_is_watched(search):
    def watch():
        raise RuntimeError("trials have vanished")

    supervisor, everyone = search(HANG, HANG, watch=watch)
    with pytest.raises(RuntimeError, match="vanished"):
        supervisor.run()
    assert all(member.poll() for member in everyone)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_everyone(search, name):
    number = signal.Signals[name]
    before = signal.getsignal(number)
    code = SIGNAL_THE_PARENT.format(int(number))
    supervisor, everyone = search(HANG, code, HANG)
    assert supervisor.run() == number
    assert all(member.poll() for member in everyone)
    assert signal.getsignal(number) == before


def test_a_signal_after_the_search_ends_the_wait_for_workers(search):
    code = WAIT_FOR_DONE + SIGNAL_THE_PARENT.format(int(signal.SIGTERM))
    chief = "open('done', 'w').close()"
    supervisor, everyone = search(chief, code, grace_s=1000.0)
    assert supervisor.run() == signal.SIGTERM
    assert all(member.poll() for member in everyone)


def test_what_is_ignored_when_it_starts_stays_ignored(search):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        code = "import os; os.kill(os.getppid(), 1)\n" + DIE_ONCE
        supervisor, _ = search(WAIT_FOR_DONE, code)
        assert supervisor.run() is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_ignores_the_interrupt_is_killed(search, monkeypatch):
    monkeypatch.setattr(
        keras_eff.tuning.workers.supervisor, "_END_PATIENCE_S", 0.1
    )
    code = "import signal; signal.signal(2, signal.SIG_IGN)\n"
    code += "open('done', 'w').close()\n" + HANG
    supervisor, (_, worker) = search(WAIT_FOR_DONE, code, grace_s=0.0)
    assert supervisor.run() is None
    assert worker.poll().failure == "died of signal SIGKILL"
