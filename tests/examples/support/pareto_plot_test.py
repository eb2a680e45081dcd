import warnings

import numpy as np
from matplotlib.image import imread

from support.file_figures import FileFigures
from support.pareto_plot import save_pareto_plot


def figures(name, accuracy, kilobytes, latency_ms):
    size_bytes = 1000 * kilobytes
    return FileFigures(name, accuracy, size_bytes, size_bytes, latency_ms)


def test_picture_is_drawn_for_one_file(tmp_path):
    save_pareto_plot([figures("a", 0.9, 10, 0.1)], tmp_path / "a.png")
    assert imread(tmp_path / "a.png").shape[1] > 1000


def test_accuracies_of_0_and_1_are_drawn(tmp_path):
    rows = [figures("none", 0.0, 1, 0.1), figures("all", 1.0, 9, 0.2)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_pareto_plot(rows, tmp_path / "a.png")


def test_each_file_has_a_point_and_a_label_of_its_color(tmp_path):
    save_pareto_plot(
        [figures("a", 0.9, 10, 0.1), figures("b", 0.9, 10, 0.1)],
        tmp_path / "a.png",
    )
    pixels = (255 * imread(tmp_path / "a.png")[..., :3]).round()
    # matplotlib's first and second color: the label of a is not hidden by b's.
    for color in ((31, 119, 180), (255, 127, 14)):
        assert np.all(pixels == color, axis=-1).sum() > 50
