import shlex
import socket

from keras_eff.tuning.workers import worker_environment


def test_the_ids_of_the_workers_are_always_the_same():
    assert worker_environment.worker_names(3) == ["tuner0", "tuner1", "tuner2"]


def test_keras_tuner_finds_the_chief_by_three_variables():
    assert worker_environment.environment("tuner1", "box", 80) == {
        "KERASTUNER_TUNER_ID": "tuner1",
        "KERASTUNER_ORACLE_IP": "box",
        "KERASTUNER_ORACLE_PORT": "80",
    }


def test_a_local_process_inherits_the_environment(monkeypatch):
    monkeypatch.setenv("COLOR", "red")
    local = worker_environment.local_environment("chief", 80)
    assert local["COLOR"] == "red"
    assert local["KERASTUNER_TUNER_ID"] == "chief"
    assert local["KERASTUNER_ORACLE_IP"] == "127.0.0.1"


def test_no_proxy_stands_between_the_processes(monkeypatch):
    monkeypatch.delenv("no_grpc_proxy", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert local_exceptions() == "127.0.0.1"
    monkeypatch.setenv("no_proxy", "intranet")
    assert local_exceptions() == "intranet,127.0.0.1"
    monkeypatch.setenv("no_grpc_proxy", "box")
    assert local_exceptions() == "box,127.0.0.1"


def test_a_command_line_can_be_pasted_into_a_shell():
    argv = ["python", "my script.py", "--name=a;b"]
    line = worker_environment.command_line({"A": "x y"}, argv)
    assert shlex.split(line) == ["A=x y", *argv]


def test_a_free_port_is_one_that_nobody_listens_on():
    port = worker_environment.free_port()
    assert not worker_environment.listens(port)
    with socket.create_server(("127.0.0.1", port)):
        assert worker_environment.listens(port)


def local_exceptions():
    return worker_environment.local_environment("chief", 80)["no_grpc_proxy"]
