import pytest

from keras_eff.latency.devices.ssh import SshShell

pytest_plugins = ["tests.latency.stand_in_fixtures"]


@pytest.fixture
def shell(board):
    return SshShell("pi@pi")


def test_nobody_is_asked_for_a_password(board, shell):
    shell.ask("true")
    (call,) = board.calls()
    assert call.startswith("-o BatchMode=yes -o ConnectTimeout=10 ")
    assert " pi@pi sh -c " in call


def test_a_script_needs_no_posix_login_shell(board, shell):
    # A shell such as fish knows `sh -c` and quotes, but not `$?`.
    shell.ask("echo 'it'\"'\"'s'")
    (call,) = board.calls()
    outside = call.partition(" sh -c ")[2].split("'")[0]
    assert outside == "" and shell.ask('echo "it\'s"') == "it's"


@pytest.mark.parametrize(
    ("machine", "bits", "platform"),
    [
        ("x86_64", "64", "linux_x86-64"),
        ("aarch64", "64", "linux_aarch64"),
        ("aarch64", "32", "linux_arm"),
        ("aarch64", "", "linux_aarch64"),
        ("armv7l", "32", "linux_arm"),
        ("riscv64", "64", "linux_riscv64"),
    ],
)
def test_a_machine_has_the_name_of_the_prebuilt_files(
    board, shell, machine, bits, platform
):
    board.bin.write("uname", f"echo {machine}")
    board.bin.write("getconf", f"echo {bits}")
    assert shell.platform() == platform
    shell.describe()
    assert len(board.calls()) == 1


def test_a_board_is_described_by_its_name(board, shell):
    board.bin.write("tr", "printf 'Raspberry Pi 4 Model B Rev 1.1'")
    assert shell.describe() == "Raspberry Pi 4 Model B Rev 1.1, 4 cores (pi@pi)"


def test_a_server_is_described_by_its_processor(board, shell):
    board.bin.write("tr", "")
    board.bin.write("sed", "echo 'AMD  EPYC * 7B13'; echo 'AMD EPYC'")
    board.bin.write("nproc", "echo 1")
    assert shell.describe() == "AMD EPYC * 7B13, 1 core (pi@pi)"


def test_a_machine_that_tells_little_is_described_by_that(board, shell):
    board.bin.write("tr", "exit 1")
    board.bin.write("sed", "exit 1")
    board.bin.write("nproc", "echo 'nproc: not found' >&2; exit 127")
    assert shell.describe() == "aarch64, ? cores (pi@pi)"


def test_a_file_is_copied_to_any_path(board, shell, model):
    target = board.disk / 'a "b" $HOME'
    shell.push(model, str(target), 60.0)
    assert target.read_bytes() == b"....TFL3...."


def test_a_file_that_cannot_be_copied_is_an_error(board, shell, model):
    with pytest.raises(RuntimeError, match="Copying .* exited with code"):
        shell.push(model, "/absent/folder/file", 60.0)


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        (
            "ssh: Could not resolve hostname pi: Name or service not known",
            "its name is unknown",
        ),
        ("Host key verification failed.", "connect once with `ssh` by hand"),
        ("pi@pi: Permission denied (publickey,password).", "ssh-copy-id"),
        ("connect to host pi port 22: Connection refused", "is it on"),
        ("connect to host pi port 22: Connection timed out", "is it on"),
        ("connect to host pi port 22: No route to host", "is it on"),
        ("Connection to pi closed by remote host.", "broke off"),
    ],
)
def test_a_connection_that_breaks_is_explained(board, shell, output, advice):
    board.fail_on("*", output, code=255)
    with pytest.raises(RuntimeError, match=f"Device pi@pi: .*{advice}"):
        shell.ask("true")


def test_no_ssh_is_an_error(scripts, monkeypatch):
    monkeypatch.setenv("PATH", str(scripts.folder))
    with pytest.raises(RuntimeError, match="Cannot start `ssh`"):
        SshShell("pi").ask("true")
