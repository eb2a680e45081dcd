import importlib.util

import pytest
from matplotlib.image import imread

from keras_eff.tuning.pareto_front import pareto_front
from keras_eff.tuning.pareto_plot import plot_pareto

ROWS = [
    {"accuracy": 0.7, "latency_ms": 1.0, "size_bytes": 30},
    {"accuracy": 0.9, "latency_ms": 3.0, "size_bytes": 20},
    {"accuracy": 0.6, "latency_ms": 2.0, "size_bytes": 10},
    {"accuracy": 0.5, "latency_ms": 2.5, "size_bytes": 40},
]


def lines_and_dots(figure):
    [axes] = figure.axes
    [line] = axes.lines
    dots = {c.get_label(): c.get_offsets().tolist() for c in axes.collections}
    return line, dots


def test_the_steps_are_the_front_of_the_two_figures():
    line, dots = lines_and_dots(plot_pareto(pareto_front(ROWS)))
    assert line.get_xydata().tolist() == [[1.0, 0.7], [3.0, 0.9]]
    assert line.get_drawstyle() == "steps-post"
    # One of the front is there for its size.
    assert dots["front"] == [[3.0, 0.9], [1.0, 0.7], [2.0, 0.6]]
    assert dots["dominated"] == [[2.5, 0.5]]


def test_the_steps_turn_with_what_is_better():
    figure = plot_pareto(pareto_front(ROWS), x="accuracy", y="latency_ms")
    line, _ = lines_and_dots(figure)
    assert line.get_drawstyle() == "steps-pre"
    assert figure.axes[0].get_xlabel() == "accuracy (larger is better)"
    assert figure.axes[0].get_ylabel() == "latency_ms (smaller is better)"


def test_rows_are_drawn_with_their_front():
    line, dots = lines_and_dots(plot_pareto(ROWS, x="size_bytes"))
    assert line.get_xydata().tolist() == [[10.0, 0.6], [20.0, 0.9]]
    assert len(dots["dominated"]) == 2


def test_a_png_is_written(tmp_path):
    plot_pareto(ROWS, path=tmp_path / "front.png")
    pixels = imread(tmp_path / "front.png")
    assert pixels.shape[1] > 800 and pixels.min() < pixels.max()
    assert [x.name for x in tmp_path.iterdir()] == ["front.png"]


def test_an_empty_front_is_drawn(tmp_path):
    plot_pareto([], path=tmp_path / "front.png")
    assert (tmp_path / "front.png").is_file()


def test_a_dollar_sign_is_no_formula(tmp_path):
    rows = [{"accuracy": 0.5, "$cost$": 1.0}]
    plot_pareto(rows, x="$cost$", path=tmp_path / "front.png")


def test_figures_must_be_two_objectives_of_the_front():
    front = pareto_front(ROWS, minimize=["latency_ms"])
    with pytest.raises(ValueError, match="Received: x='size_bytes'"):
        plot_pareto(front, x="size_bytes")
    with pytest.raises(ValueError, match="x='accuracy', y='accuracy'"):
        plot_pareto(front, x="accuracy")
    with pytest.raises(ValueError, match="Received: y=None"):
        plot_pareto(pareto_front(ROWS, maximize=()))


def test_a_directory_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="Received: path="):
        plot_pareto(ROWS, path=tmp_path / "absent" / "front.png")


def test_matplotlib_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="keras_eff\\[examples\\]"):
        plot_pareto(ROWS)
