import os
import sys
import time

import pytest

from keras_eff.tuning.workers.process import SearchProcess
from keras_eff.tuning.workers.process import end_all
from tests.latency.stand_ins import has_ended

HANG = "import time; open('ready', 'w').close(); time.sleep(1000)"
STUBBORN = f"import signal; signal.signal(2, signal.SIG_IGN); {HANG}"


@pytest.fixture
def member(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    members = []

    def make(code, **environment):
        argv = [sys.executable, "-c", code]
        log = tmp_path / "tuner0.log"
        members.append(SearchProcess("tuner0", argv, environment, log))
        return members[-1]

    yield make
    end_all(members, 0.0)


def test_what_it_prints_is_in_its_log_after_a_title_for_each_start(member):
    talker = member("import sys; print('out'); sys.exit('err')")
    for _ in range(2):
        talker.start()
        finished = wait_for_end(talker)
    assert finished.failure == "exited with code 1"
    text = talker.log.read_text()
    assert text.index("--- tuner0, start 1") < text.index("out")
    assert text.count("out") == text.count("err") == 2
    assert finished.output == text
    assert talker.starts == 2


def test_it_runs_in_its_own_environment(member):
    shy = member("import os; print(os.environ['COLOR'])", COLOR="red")
    shy.start()
    assert "red" in wait_for_end(shy).output


def test_only_the_end_of_a_long_log_is_kept(member):
    talker = member("print('a' * 9000)")
    talker.start()
    assert len(wait_for_end(talker).output) == 4000


def test_what_it_leaves_running_is_killed_with_it(member):
    sleeper = "import time; time.sleep(1000)"
    parent = member(
        "import os, subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {sleeper!r}])\n"
        "print('child', child.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    parent.start()
    finished = wait_for_end(parent)
    assert finished.failure == "died of signal SIGKILL"
    assert has_ended(int(finished.output.split()[-1]))


def test_an_interrupt_lets_it_clean_up(member, tmp_path):
    tidy = member(f"try:\n  {HANG}\nfinally: open('clean', 'w').close()")
    start_and_wait(tidy, tmp_path)
    end_all([tidy], 60.0)
    assert (tmp_path / "clean").exists()


def test_what_ignores_the_interrupt_is_killed(member, tmp_path):
    stubborn = member(STUBBORN)
    start_and_wait(stubborn, tmp_path)
    end_all([stubborn], 0.0)
    assert stubborn.poll().failure == "died of signal SIGKILL"


def test_what_never_started_needs_no_end(member):
    end_all([member("")], 0.0)


def test_a_command_that_does_not_exist_leaves_nothing(tmp_path):
    lost = SearchProcess(
        "tuner0", [str(tmp_path / "none")], {}, tmp_path / "log"
    )
    with pytest.raises(FileNotFoundError):
        lost.start()
    end_all([lost], 0.0)


def start_and_wait(started, folder):
    started.start()
    while not os.path.exists(folder / "ready"):
        time.sleep(0.01)


def wait_for_end(started):
    while (finished := started.poll()) is None:
        time.sleep(0.01)
    return finished
