from keras_eff.table import format_table

COLUMNS = {"layer": "", "weights": ",", "SQNR, dB": ".1f", "stays because": ""}
ROWS = [
    ("dense", 4096, 31.25, None),
    ("a[bold]_layer", None, float("inf"), "it is " + "long " * 30 + ":smile:"),
]


def test_numbers_stand_at_the_right_and_text_at_the_left():
    head, first, second = format_table(COLUMNS, ROWS).splitlines()
    assert head == "layer          weights  SQNR, dB  stays because"
    assert first == "dense            4,096      31.2"
    assert second.startswith("a[bold]_layer        -       inf  it is long")


def test_nothing_is_cut_off_and_nothing_is_markup():
    text = format_table(COLUMNS, ROWS)
    assert text.endswith("long :smile:") and "a[bold]_layer" in text
    assert len(text.splitlines()) == 3


def test_there_are_no_colours_where_the_environment_forces_them(monkeypatch):
    plain = format_table(COLUMNS, ROWS)
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("COLUMNS", "20")
    assert format_table(COLUMNS, ROWS) == plain
    assert "\x1b" not in plain


def test_a_table_without_rows_has_its_titles():
    assert format_table({"layer": "", "bits": "d"}, []) == "layer  bits"
