import json
import math
import os

import pytest

from keras_eff.tuning.median_stopping.learning_curves import LearningCurves


def values(curves, monitor="loss"):
    return {curve.trial: curve.values for curve in curves.of(monitor)}


def test_what_one_writer_wrote_all_read(tmp_path):
    one, other = LearningCurves(tmp_path), LearningCurves(tmp_path, "w1")
    one.add(one.begin("a", "loss"), 1, 0.5)
    other.add(other.begin("b", "loss"), 1, 0.25)
    assert values(one) == values(other) == {"a": {1: 0.5}, "b": {1: 0.25}}
    one.add(one.begin("c", "loss"), 1, 0.75)
    assert values(other) == values(LearningCurves(tmp_path)) == values(one)
    assert len(list(tmp_path.glob("w1-*.jsonl"))) == 1


def test_a_torn_last_line_is_ignored_until_it_is_whole(tmp_path):
    curves = LearningCurves(tmp_path)
    curve = curves.begin("a", "loss")
    curves.add(curve, 1, 0.5)
    (path,) = tmp_path.iterdir()
    line = json.dumps({**curve.identity, "epoch": 2, "value": 0.25})
    with path.open("a") as file:
        file.write(line[:20])
    reader = LearningCurves(tmp_path)
    assert values(reader) == {"a": {1: 0.5}}
    with path.open("a") as file:
        file.write(line[20:] + "\n")
    assert values(reader) == {"a": {1: 0.5, 2: 0.25}}


def test_a_writer_that_comes_back_begins_a_file_of_its_own(tmp_path):
    for _ in range(2):
        curves = LearningCurves(tmp_path, "tuner0")
        curves.begin("a", "loss")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_forked_process_writes_a_file_of_its_own(tmp_path, monkeypatch):
    curves = LearningCurves(tmp_path)
    curves.begin("a", "loss")
    monkeypatch.setattr(os, "getpid", lambda: -1)
    curves.begin("b", "loss")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_new_attempt_hides_the_old_curves_of_its_trial(tmp_path):
    old = LearningCurves(tmp_path)
    for execution in range(2):
        old.add(old.begin("a", "loss", 1, execution), 1, 0.5)
    new = LearningCurves(tmp_path)
    curve = new.begin("a", "loss")
    assert curve.attempt == 2
    assert values(old) == {"a": {}}


def test_a_line_without_its_fit_is_of_the_first(tmp_path):
    curves = LearningCurves(tmp_path)
    curves.add(curves.begin("a", "loss", fit=1), 1, 0.5)
    (path,) = tmp_path.iterdir()
    old = path.read_text().replace(', "fit": 1', "")
    (tmp_path / "old.jsonl").write_text(old)
    found = {c.fit: c.values for c in LearningCurves(tmp_path).of("loss")}
    assert found == {0: {1: 0.5}, 1: {1: 0.5}}


def test_curves_of_another_value_are_apart(tmp_path):
    curves = LearningCurves(tmp_path)
    curves.add(curves.begin("a", "loss"), 1, 0.5)
    curves.add(curves.begin("a", "accuracy"), 1, 0.75)
    assert values(curves, "loss") == {"a": {1: 0.5}}
    assert values(curves, "accuracy") == {"a": {1: 0.75}}


def test_what_is_no_number_comes_back_and_the_file_is_json(tmp_path):
    curves = LearningCurves(tmp_path)
    curve = curves.begin("a", "loss")
    curves.add(curve, 1, math.inf)
    curves.add(curve, 2, math.nan)
    curves.stop(curve, {"epoch": 2, "best": math.inf, "dry_run": False})
    (path,) = tmp_path.iterdir()
    for line in path.read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)
    (found,) = LearningCurves(tmp_path).of("loss")
    assert found.values[1] == math.inf and math.isnan(found.values[2])
    assert found.stopped == {"epoch": 2, "best": math.inf, "dry_run": False}


def test_nothing_is_made_before_the_first_line(tmp_path):
    curves = LearningCurves(tmp_path / "new" / "curves")
    assert curves.of("loss") == []
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("line", ["not json", "[1]", '{"trial": "a"}'])
def test_a_whole_line_of_something_else_is_an_error(tmp_path, line):
    (tmp_path / "a.jsonl").write_text(line + "\n")
    with pytest.raises(ValueError, match="Not a line of learning curves"):
        LearningCurves(tmp_path).of("loss")
