import json
import subprocess
import sys

import pytest

from keras_eff.tuning import measurement_cache
from keras_eff.tuning.measurement_cache import MeasurementCache

FIGURES = {"latency_ms": 0.5, "size_bytes": 7}


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    """Returns a function that forgets what this process knows."""
    monkeypatch.setattr(measurement_cache, "_KNOWN", {})
    return measurement_cache._KNOWN.clear


def test_figures_are_kept_in_this_process():
    MeasurementCache(None).put("a", FIGURES)
    assert MeasurementCache(None).get("a") == FIGURES
    assert MeasurementCache(None).get("b") is None


def test_a_caller_that_changes_figures_does_not_change_the_cache():
    cache = MeasurementCache(None)
    cache.put("a", FIGURES)
    cache.get("a")["latency_ms"] = 9.0
    assert cache.get("a") == FIGURES


def test_figures_are_kept_on_disk_for_other_processes(tmp_path, forget):
    MeasurementCache(tmp_path / "new" / "folder").put("a", FIGURES)
    forget()
    assert MeasurementCache(tmp_path / "new" / "folder").get("a") == FIGURES
    assert MeasurementCache(tmp_path).get("a") is None
    assert MeasurementCache(None).get("a") is None


def test_what_another_process_adds_is_found(tmp_path, forget):
    reader, writer = MeasurementCache(tmp_path), MeasurementCache(tmp_path)
    assert reader.get("a") is None
    writer.put("a", FIGURES)
    forget()
    assert reader.get("a") == FIGURES


def test_a_line_that_a_killed_process_left_is_ignored(tmp_path, forget):
    line = json.dumps({"key": "torn", "figures": FIGURES})
    path = tmp_path / "measurements.jsonl"
    path.write_text(line[:-9])
    MeasurementCache(tmp_path).put("a", FIGURES)
    forget()
    assert MeasurementCache(tmp_path).get("torn") is None
    assert MeasurementCache(tmp_path).get("a") == FIGURES


@pytest.mark.parametrize(
    "line",
    [b"[]", b"7", b'{"key": "a"}', b'{"key": "a", "figures": {"x": "1"}}']
    + [b"\xff\xfe", b'{"key": ["a"], "figures": {}}'],
)
def test_a_line_of_something_else_is_ignored(tmp_path, line):
    (tmp_path / "measurements.jsonl").write_bytes(line)
    assert MeasurementCache(tmp_path).get("a") is None


def test_the_first_of_two_lines_counts(tmp_path, forget):
    MeasurementCache(tmp_path).put("a", FIGURES)
    forget()
    MeasurementCache(tmp_path).put("a", {"latency_ms": 9.0})
    forget()
    assert MeasurementCache(tmp_path).get("a") == FIGURES


PUT_MANY = """
import sys
from keras_eff.tuning.measurement_cache import MeasurementCache
for number in range(50):
    MeasurementCache(sys.argv[1]).put(f"{sys.argv[2]} {number}", {"x": number})
"""


def test_processes_write_at_once(tmp_path):
    workers = [
        subprocess.Popen([sys.executable, "-c", PUT_MANY, tmp_path, name])
        for name in "ab"
    ]
    assert [worker.wait() for worker in workers] == [0, 0]
    cache = MeasurementCache(tmp_path)
    for number in range(50):
        assert cache.get(f"a {number}") == cache.get(f"b {number}")
        assert cache.get(f"a {number}") == {"x": number}


def test_something_else_than_a_directory_is_an_error(tmp_path):
    with pytest.raises(TypeError, match="cache=True of type builtins.bool"):
        MeasurementCache(True)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        MeasurementCache(tmp_path / "file")
