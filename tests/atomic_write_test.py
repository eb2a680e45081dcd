import os
import pathlib
import re
import secrets
import signal
import stat
import subprocess
import sys
import tempfile
import threading

import pytest

from keras_eff.atomic_write import atomic_write
from keras_eff.atomic_write import check_path
from keras_eff.atomic_write import temporary_folder


def test_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "m.tflite"
    with atomic_write(path, b"data") as temporary:
        assert temporary.read_bytes() == b"data"
        assert not path.exists()
    assert path.read_bytes() == b"data"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_raises_leaves_what_was_there(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic_write(path, b"new"):
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_checked_path_is_not_touched(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(b"old")
    assert check_path(str(path)) == pathlib.Path(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_directory_is_refused(tmp_path):
    with pytest.raises(IsADirectoryError, match="Received: path="):
        check_path(tmp_path)


def test_missing_directory_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="directory that exists"):
        check_path(tmp_path / "missing" / "m.tflite")


def test_another_type_is_refused():
    with pytest.raises(TypeError, match="Received: builtins.int"):
        check_path(3)


def test_a_symbolic_link_stays_and_its_target_is_written(tmp_path):
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link.h"
    link.symlink_to("folder/new.h")
    for data in (b"one", b"two"):
        with atomic_write(check_path(link), data):
            pass
        assert link.is_symlink() and link.read_bytes() == data
    assert [x.name for x in (tmp_path / "folder").iterdir()] == ["new.h"]


def test_an_older_file_passes_its_permissions_on(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(b"old")
    for mode in (0o600, 0o640, 0o755):
        path.chmod(mode)
        with atomic_write(path, b"new") as temporary:
            assert temporary.stat().st_mode & 0o777 == mode
        assert path.stat().st_mode & 0o777 == mode


def test_a_new_file_has_the_permissions_that_the_user_wants(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "m.tflite", b"new"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "m.tflite").stat().st_mode & 0o777 == 0o640


@pytest.fixture(params=["device", "pipe", "socket"])
def no_file(request, tmp_path):
    """The path of what is neither a file nor a folder."""
    path = tmp_path / "special"
    if request.param == "device":
        path.symlink_to(os.devnull)
    elif request.param == "pipe":
        os.mkfifo(path)
    else:
        os.mknod(path, stat.S_IFSOCK | 0o600)
    return path


def test_what_is_no_file_is_refused_and_stays(no_file):
    mode = no_file.stat().st_mode
    with pytest.raises(OSError, match="must name a file.*special"):
        check_path(no_file)
    refused = pytest.raises(OSError, match="must name a file.*special")
    with refused, atomic_write(no_file, b"new"):
        pass
    assert no_file.stat().st_mode == mode


def test_a_name_may_be_as_long_as_the_file_system_takes(tmp_path):
    path = tmp_path / f"{'a' * 253}.h"
    with atomic_write(check_path(path), b"data"):
        pass
    assert path.read_bytes() == b"data"


def test_the_temporary_file_has_a_name_that_nobody_knows(tmp_path):
    path = tmp_path / "m.tflite"
    with (
        atomic_write(path, b"one") as first,
        atomic_write(path, b"two") as second,
    ):
        assert first.name != second.name
        assert first.read_bytes() == b"one" and second.read_bytes() == b"two"


def test_a_planted_link_is_not_followed(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    monkeypatch.setattr(secrets, "token_hex", lambda _: "0" * 16)
    with atomic_write(tmp_path / "a", b"") as temporary:
        name = temporary.name
    (tmp_path / name).symlink_to(victim)
    with pytest.raises(FileExistsError), atomic_write(tmp_path / "m", b"new"):
        pass
    assert victim.read_bytes() == b"precious"


def test_threads_may_write_one_path(tmp_path):
    path = tmp_path / "m.tflite"
    contents = [bytes([i]) * 100_000 for i in range(4)]
    failures = []

    def work(data):
        try:
            for _ in range(20):
                with atomic_write(check_path(path), data):
                    pass
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(x,)) for x in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def killed(tmp_path, monkeypatch):
    """What a process that is killed leaves: a file, and a folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    script = (
        "import os, pathlib, signal, sys\n"
        "from keras_eff.atomic_write import atomic_write, temporary_folder\n"
        "path = pathlib.Path(sys.argv[1]) / 'm.tflite'\n"
        "with (\n"
        "    atomic_write(path, b'data') as file,\n"
        "    temporary_folder() as folder,\n"
        "):\n"
        "    (folder / 'inputs').write_text('data')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "TMPDIR": str(tmp_path),
    }
    argv = [sys.executable, "-c", script, str(tmp_path)]
    process = subprocess.run(argv, env=environment, timeout=60)
    assert process.returncode == -signal.SIGKILL
    found = sorted(tmp_path.iterdir())
    assert len(found) == 2
    return found


def write_again(folder):
    with atomic_write(folder / "other", b"new"), temporary_folder():
        pass


def test_the_next_write_removes_what_a_killed_process_left(killed, tmp_path):
    write_again(tmp_path)
    assert [x.name for x in tmp_path.iterdir()] == ["other"]


def test_what_may_still_be_in_use_stays(killed, tmp_path, monkeypatch):
    # Of a process that runs, and, with the same number, of another machine.
    file, folder = killed
    owner = f"-{os.getppid()}-"
    file = file.rename(re.sub("-[0-9]+-", owner, str(file)))
    folder = folder.rename(re.sub("-[0-9]+-", owner, str(folder)))
    write_again(tmp_path)
    assert file.exists() and folder.exists()
    monkeypatch.setattr("keras_eff.atomic_write._machine", lambda: "0" * 8)
    write_again(tmp_path)
    assert file.exists() and folder.exists()
    for path in (file, folder):
        os.utime(path, (0, 0))
    write_again(tmp_path)
    assert not file.exists() and not folder.exists()
