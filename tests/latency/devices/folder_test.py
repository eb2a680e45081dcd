import hashlib
import os
import pathlib

import pytest
from absl import logging

from keras_eff.latency.devices.adb import AdbShell
from keras_eff.latency.devices.folder import DeviceFolder

pytest_plugins = ["tests.latency.stand_in_fixtures"]


@pytest.fixture
def folder(phone):
    return DeviceFolder(AdbShell("P8"), phone.directory, 60.0)


def count_pushes(phone):
    return sum(" push " in call for call in phone.calls())


def test_it_is_created_for_others_to_read(phone, folder):
    assert os.stat(phone.directory).st_mode & 0o777 == 0o755


def test_what_is_kept_is_named_by_its_content(phone, folder):
    kept = pathlib.Path(folder.keep(phone.tool))
    sha256 = hashlib.sha256(phone.tool.read_bytes()).hexdigest()
    assert kept.name == f"{sha256[:16]}-tool"
    assert kept.read_bytes() == phone.tool.read_bytes()
    assert os.access(kept, os.X_OK)
    assert phone.files() == [kept.name]


def test_what_is_there_is_not_copied_again(phone, folder):
    folder.keep(phone.tool)
    folder.keep(phone.tool)
    assert count_pushes(phone) == 1


def test_what_is_damaged_there_is_copied_again(phone, folder):
    kept = pathlib.Path(folder.keep(phone.tool))
    kept.write_text("damaged")
    folder.keep(phone.tool)
    assert kept.read_bytes() == phone.tool.read_bytes()


def test_without_checksums_it_is_always_copied(phone, folder):
    phone.bin.write("sha256sum", "echo 'sha256sum: not found'; exit 127")
    folder.keep(phone.tool)
    folder.keep(phone.tool)
    assert count_pushes(phone) == 2


def test_a_copy_that_is_not_complete_is_an_error(phone, folder):
    phone.bin.write("sha256sum", f"echo {'0' * 64}")
    with pytest.raises(RuntimeError, match="is not complete"):
        folder.keep(phone.tool)
    assert phone.files() == []


def test_what_is_lent_is_removed(phone, folder, model):
    with folder.lend(model) as lent:
        assert pathlib.Path(lent).read_bytes() == b"....TFL3...."
        with folder.lend(model) as other:
            assert other != lent
    assert phone.files() == []


def test_what_is_lent_is_removed_after_an_error(phone, folder, model):
    with pytest.raises(KeyboardInterrupt), folder.lend(model):
        raise KeyboardInterrupt
    assert phone.files() == []


def test_a_full_disk_leaves_nothing(phone, folder, model):
    full = "adb: error: failed to copy: remote No space left on device"
    phone.fail_on("*push*", full)
    with pytest.raises(RuntimeError, match="free some space"):
        folder.keep(phone.tool)
    assert phone.files() == []


def test_what_cannot_be_removed_is_told(phone, folder, model, monkeypatch):
    told = []
    monkeypatch.setattr(logging, "warning", lambda *args: told.append(args))
    with folder.lend(model) as lent:
        phone.fail_on("*pkill*", "error: device offline")
    ((message, target, error),) = told
    assert "may be left on the device" in message
    assert "reconnect it" in str(error)
    assert pathlib.Path(lent).name in target


def test_a_folder_that_cannot_be_made_is_an_error(phone):
    (phone.disk / "keras eff").write_text("a file")
    with pytest.raises(RuntimeError, match="mkdir -p"):
        DeviceFolder(AdbShell("P8"), phone.directory, 60.0)


def test_what_processes_that_are_gone_have_left_is_removed(
    phone, folder, model
):
    with folder.lend(model) as lent:
        name = pathlib.Path(lent).name
        others = [
            name.replace("lent", "kept"),
            name.replace(name[5:17], "0" * 12),
        ]
        gone = [
            name.replace(f"-{os.getpid()}-", f"-{n}-") for n in (2**22, 10**30)
        ]
        for each in (*others, *gone):
            pathlib.Path(lent).with_name(each).write_text("")
        DeviceFolder(AdbShell("P8"), phone.directory, 60.0)
        assert sorted(phone.files()) == sorted([name, *others])
