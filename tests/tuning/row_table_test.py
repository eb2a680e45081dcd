import numpy as np

from keras_eff.tuning.row_table import row_table

ROWS = [
    {"name": "a", "accuracy": np.float32(0.5), "size_bytes": 1000},
    {"name": "bb", "accuracy": 1 / 3, "hp": {"width": 0.25, "kind": "x"}},
]


def test_named_columns_stand_first_and_numbers_at_the_right():
    assert row_table(ROWS, ["accuracy", "size_bytes"]).split("\n") == [
        "accuracy  size_bytes  name  hp",
        "     0.5        1000  a     -",
        "0.333333           -  bb    width=0.25, kind=x",
    ]


def test_a_table_without_rows_is_its_titles():
    assert row_table([], ["accuracy", "latency_ms"]) == "accuracy  latency_ms"
