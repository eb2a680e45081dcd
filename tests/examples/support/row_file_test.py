import dataclasses

import pytest

from support.row_file import RowFile
from support.row_file import settle


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    figure: float


FIRST, SECOND = Row("first", 0.1), Row("second", 0.2)


def test_rows_are_there_in_the_next_run(tmp_path):
    path = tmp_path / "rows.jsonl"
    assert RowFile(path, Row).rows() == []
    RowFile(path, Row).add(FIRST)
    RowFile(path, Row).add(SECOND)
    rows = RowFile(path, Row)
    assert rows.rows() == [FIRST, SECOND]
    assert rows.has(name="first", figure=0.1)
    assert not rows.has(name="first", figure=0.2)


def test_half_a_row_of_a_killed_run_is_dropped(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = RowFile(path, Row)
    rows.add(FIRST)
    with path.open("a") as file:
        file.write('{"name": "sec')
    assert rows.rows() == [FIRST]
    rows.add(SECOND)
    assert rows.rows() == [FIRST, SECOND]


def test_a_folder_of_other_settings_is_an_error(tmp_path):
    settle(tmp_path / "new", {"epochs": 1})
    settle(tmp_path / "new", {"epochs": 1})
    with pytest.raises(ValueError, match="same settings. Received.*epochs"):
        settle(tmp_path / "new", {"epochs": 2})
