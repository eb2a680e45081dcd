"""Measurements over a real ssh server, on the loopback address."""

import getpass
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from keras_eff.latency import Remote
from keras_eff.latency.devices.ssh import SshShell
from tests.latency.stand_ins import HANG_ALONE
from tests.latency.stand_ins import Scripts
from tests.latency.stand_ins import has_ended
from tests.latency.stand_ins import replay
from tests.latency.stand_ins import tflite_log

# The folder is on no user's PATH.
_SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
_NEEDED = ("ssh", "ssh-keygen", "pkill")
pytestmark = pytest.mark.skipif(
    _SSHD is None or not all(map(shutil.which, _NEEDED)),
    reason="needs an OpenSSH server and client, and pkill",
)


class Server:
    """An OpenSSH server of this user, which ssh reaches as "board".

    Its home is not asked for anything: keys and hosts lie in `folder`.
    """

    def __init__(self, folder):
        self.folder = folder
        self.port = _free_port()
        for name in ("host_key", "other_key", "key"):
            self._keygen(name)
        shutil.copy(folder / "key.pub", folder / "authorized_keys")
        self._write(
            "sshd_config",
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {folder}/host_key",
            f"AuthorizedKeysFile {folder}/authorized_keys",
            f"PidFile {folder}/pid",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            # The folders of tests are others' to write.
            "StrictModes no",
            "UsePAM no",
            # The others take longer.
            "KexAlgorithms curve25519-sha256",
        )
        self._write(
            "config",
            "Host board",
            "HostName 127.0.0.1",
            f"User {getpass.getuser()}",
            f"Port {self.port}",
            f"IdentityFile {folder}/key",
            "IdentitiesOnly yes",
            f"UserKnownHostsFile {folder}/known_hosts",
            "GlobalKnownHostsFile none",
            "ControlPath none",
        )
        self.know("host_key")

    def know(self, name):
        """Writes down a key as that of the server."""
        key = (self.folder / f"{name}.pub").read_text()
        self._write("known_hosts", f"[127.0.0.1]:{self.port} {key}")

    def start(self):
        if os.getuid() == 0:
            pathlib.Path("/run/sshd").mkdir(exist_ok=True)
        files = ("-E", self.folder / "log", "-f", self.folder / "sshd_config")
        self._process = subprocess.Popen([_SSHD, "-D", *files])
        for _ in range(600):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise RuntimeError((self.folder / "log").read_text())

    def stop(self):
        self._process.terminate()
        self._process.wait()

    def _keygen(self, name):
        path = self.folder / name
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path]
        subprocess.run(argv, check=True)

    def _write(self, name, *lines):
        (self.folder / name).write_text("\n".join(lines) + "\n")


def _free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    found = Server(tmp_path_factory.mktemp("sshd"))
    found.start()
    yield found
    found.stop()


@pytest.fixture
def bin_folder(server, tmp_path, monkeypatch):
    """Scripts on PATH; `ssh` among them knows the server."""
    found = Scripts(tmp_path / "bin")
    config = server.folder / "config"
    found.write("ssh", f'exec {shutil.which("ssh")} -F {config} "$@"')
    path = os.pathsep.join([str(found.folder), os.environ["PATH"]])
    monkeypatch.setenv("PATH", path)
    return found


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"....TFL3....")
    return str(path)


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "it's a device"


def remote(bin_folder, directory, body, **options):
    tool = bin_folder.write("tool", body)
    return Remote("board", tool, directory=str(directory), **options)


def left(directory):
    """The files there, but for the tool."""
    names = [path.name for path in directory.iterdir()]
    return [name for name in names if not name.endswith("-tool")]


def test_measurements_leave_nothing(bin_folder, directory, model):
    runner = remote(bin_folder, directory, replay(tflite_log()))
    for _ in range(3):
        assert runner(model, 1, 7).median_ms == pytest.approx(0.2)
        assert left(directory) == []
    assert directory.stat().st_mode & 0o777 == 0o755


def test_a_tool_that_hangs_or_fails_leaves_nothing(
    bin_folder, directory, model
):
    runner = remote(bin_folder, directory, HANG_ALONE, timeout_s=2.0)
    with pytest.raises(RuntimeError, match="its time was over"):
        runner(model, 1, 7)
    assert has_ended(bin_folder.child())
    assert left(directory) == []
    runner = remote(bin_folder, directory, "kill -SEGV $$")
    with pytest.raises(RuntimeError, match="SIGSEGV"):
        runner(model, 1, 7)
    assert left(directory) == []


def test_a_killed_measurement_leaves_nothing(bin_folder, directory, model):
    """Nobody can clean up: the device notices that the connection is gone."""
    bin_folder.write("tool", HANG_ALONE)
    code = (
        "import sys; from keras_eff.latency import Remote;"
        "Remote('board', sys.argv[1], directory=sys.argv[2])(sys.argv[3], 1, 7)"
    )
    tool = str(bin_folder.folder / "tool")
    argv = [sys.executable, "-c", code, tool, str(directory), model]
    measuring = subprocess.Popen(argv)
    for _ in range(1200):
        if bin_folder.child():
            break
        time.sleep(0.05)
    measuring.send_signal(signal.SIGKILL)
    measuring.wait()
    assert has_ended(bin_folder.child())
    for _ in range(200):
        if not left(directory):
            break
        time.sleep(0.05)
    assert left(directory) == []


def test_what_a_killed_copy_left_is_swept(bin_folder, directory, model):
    runner = remote(bin_folder, directory, replay(tflite_log()))
    bin_folder.write(
        "tool",
        f"ls {str(directory)!r} > {{folder}}/names;" + replay(tflite_log()),
    )
    runner(model, 1, 7)
    names = (bin_folder.folder / "names").read_text().split()
    (lent,) = [name for name in names if name.startswith("lent-")]
    gone = subprocess.Popen(["true"])
    gone.wait()
    old = lent.replace(f"-{os.getpid()}-", f"-{gone.pid}-")
    others = [lent, lent.replace("lent-", "lent-0"), "lent", "a file"]
    for name in (old, *others):
        (directory / name).touch()
    runner(model, 1, 7)
    assert sorted(left(directory)) == sorted(others)


def test_a_folder_of_others_keeps_its_mode(bin_folder, directory, model):
    directory.mkdir()
    directory.chmod(0o1777)
    remote(bin_folder, directory, replay(tflite_log()))(model, 1, 7)
    assert directory.stat().st_mode & 0o7777 == 0o1777


def test_a_changed_key_is_no_unknown_one(server, bin_folder):
    server.know("other_key")
    try:
        with pytest.raises(RuntimeError, match="set up anew, or somebody"):
            SshShell("board").ask("true")
        (server.folder / "known_hosts").unlink()
        with pytest.raises(RuntimeError, match="its key is unknown"):
            SshShell("board").ask("true")
    finally:
        server.know("host_key")
