import dataclasses

import pytest

from support.text.text_rows import TextRow
from support.text.text_rows import format_rows
from support.text.text_rows import mean_figures

ROW = TextRow("sgnn", "int8", 0, 0.5, 1000, 900, 0.25, 3.0, 0)


def test_table_has_means_over_seeds_in_the_order_of_the_first():
    rows = [
        ROW,
        dataclasses.replace(ROW, model="lstm", file="float32"),
        dataclasses.replace(ROW, seed=1, accuracy=0.6, train_seconds=5.0),
    ]
    first, second = mean_figures(rows)
    assert (first.name, second.name) == ("sgnn int8", "lstm float32")
    assert first.accuracy == pytest.approx(0.55)
    _, line, _ = format_rows(rows).splitlines()
    cells = ["0.550", "1,000", "900", "0.2500", "4", "0", "2", "0.500-0.600"]
    assert line.split() == ["sgnn", "int8", *cells]
