import pathlib

import pytest

from keras_eff.export.draft import check_path
from keras_eff.export.draft import draft


def test_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "m.tflite"
    with draft(path, b"data") as temporary:
        assert temporary.read_bytes() == b"data"
        assert not path.exists()
    assert path.read_bytes() == b"data"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_raises_leaves_what_was_there(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), draft(path, b"new"):
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
