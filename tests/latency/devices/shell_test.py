import pytest

from keras_eff import command
from keras_eff.latency.devices.shell import DeviceShell

pytest_plugins = ["tests.latency.stand_in_fixtures"]


class LocalShell(DeviceShell):
    """This machine, with a connection that breaks at the word `break`."""

    reasons = (("unplugged", "the cable is out"),)

    def platform(self):
        return "linux_arm"

    def describe(self):
        return "a machine"

    def push(self, path, target, timeout_s):
        raise NotImplementedError

    def _argv(self, script):
        if "break" in script:
            return ["echo", "device was Unplugged"]
        return ["sh", "-c", script]


@pytest.fixture
def shell():
    return LocalShell("here")


def test_a_script_gives_its_code_and_all_its_output(shell):
    finished = shell.run("echo a; echo b >&2; (exit 7)")
    assert finished == command.Finished(7, "a\nb")


def test_an_output_without_an_end_of_line_is_kept(shell):
    assert shell.run("printf RC=1") == command.Finished(0, "RC=1")


def test_a_file_can_be_the_standard_input(shell, tmp_path):
    (tmp_path / "input").write_text("from a file")
    assert shell.run("cat", 60, tmp_path / "input").output == "from a file"


def test_a_script_that_takes_too_long_is_stopped(shell):
    assert shell.run("sleep 600", 0.2).code is None


def test_a_connection_that_breaks_is_an_error(shell):
    with pytest.raises(RuntimeError) as caught:
        shell.run("echo break")
    assert str(caught.value) == (
        "Device here: the cable is out.\nThe end of its output:\n"
        "    device was Unplugged"
    )


def test_a_step_that_fails_is_an_error(shell):
    assert shell.ask("echo fine") == "fine"
    with pytest.raises(RuntimeError, match="`false` exited with code 1"):
        shell.ask("false")


@pytest.mark.parametrize(
    ("output", "meaning"),
    [
        ("cp: No space left on device", "free some space"),
        ("mkdir: Read-only file system", "choose another"),
        ("mkdir: Permission denied", "choose another"),
        ("chmod: Operation not permitted", "choose another"),
        ("cp: is a directory", "`cp` exited with code 1"),
    ],
)
def test_what_a_device_lacks_is_told(shell, output, meaning):
    with pytest.raises(RuntimeError) as caught:
        shell.check("cp", command.Finished(1, output))
    assert meaning in str(caught.value) and output in str(caught.value)


def test_a_connection_that_breaks_without_a_word_is_an_error(shell):
    with pytest.raises(RuntimeError, match="broke off, or it went away"):
        shell.run("exit 0")
