import pytest

from keras_eff.latency import Remote

pytest_plugins = ["tests.latency.stand_in_fixtures"]


def test_the_machine_picks_the_tool(board, model):
    runner = Remote("pi", directory=board.directory)
    with pytest.raises(FileNotFoundError, match="linux_aarch64_benchmark"):
        runner(model, 1, 7)
    assert board.files() == []
    name = "linux_aarch64_benchmark_model"
    board.scripts.write(name, board.tool.read_text())
    assert runner(model, 1, 7).device.endswith(", 4 cores (pi)")
    assert board.files()[0].endswith(f"-{name}")


def test_a_host_that_refuses_the_login_is_an_error(board, model):
    board.fail_on("*", "pi: Permission denied (publickey).", code=255)
    with pytest.raises(RuntimeError, match="ssh-copy-id"):
        Remote("pi", board.tool)(model, 1, 7)


def test_arguments_are_checked_when_it_is_made():
    with pytest.raises(TypeError, match="Received: host=None of type"):
        Remote(None)
    with pytest.raises(ValueError, match="Received: host='-oProxyCommand=x'"):
        Remote("-oProxyCommand=x")
    with pytest.raises(ValueError, match="Received: directory='~'"):
        Remote("pi", directory="~")
    with pytest.raises(FileNotFoundError, match="Received: binary=absent"):
        Remote("pi", "absent")
