import os
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from keras_eff import figure as figures
from keras_eff.atomic_write import check_path
from keras_eff.tuning.pareto_front import ParetoFront
from keras_eff.tuning.pareto_front import pareto_front


def plot_pareto(
    front_or_rows: ParetoFront | Iterable[Mapping] | Any,
    x: str | None = None,
    y: str | None = None,
    path: str | os.PathLike | None = None,
):
    """Returns a picture of a front: two of its figures, a dot for each row.

    The steps show the best `y` that can be had for each `x`. Rows of the front
    that are not on the steps are there for another of its objectives. Dominated
    rows are pale.

    Args:
        front_or_rows: A `keras_eff.tuning.ParetoFront`; or rows, a tuner or
            an oracle, as `keras_eff.tuning.pareto_front` takes them, for the
            front of the largest `y` and the smallest `x`.
        x: String, the figure along the horizontal axis. Defaults to the first
            that the front minimizes; of rows, to "latency_ms".
        y: String, the figure along the vertical axis. Defaults to the first
            that the front maximizes; of rows, to "accuracy".
        path: Path of a PNG to write, in a directory that exists, or `None`.

    Returns:
        A `matplotlib.figure.Figure`, which notebooks show.

    Raises:
        ImportError: If matplotlib is not installed.
        TypeError: If an argument has the wrong type.
        ValueError: If `x` and `y` are not two of the front's objectives.
        OSError: If `path` cannot be written.

    Example:

    >>> rows = [{"accuracy": 0.9, "latency_ms": 2.0}]
    >>> figure = keras_eff.tuning.plot_pareto(rows, path="front.png")
    """
    figures.check_matplotlib("`keras_eff.tuning.plot_pareto`")
    path = None if path is None else check_path(path)
    front = _front(front_or_rows, x, y)
    x = _objective("x", x, front.minimize, front)
    y = _objective("y", y, front.maximize, front)
    if x == y:
        raise ValueError(
            "Arguments `x` and `y` must be two figures. Received: "
            f"x={x!r}, y={y!r}"
        )
    figure = _draw(front, x, y)
    figures.write_png(figure, path)
    return figure


def _front(front_or_rows, x, y):
    if isinstance(front_or_rows, ParetoFront):
        return front_or_rows
    return pareto_front(front_or_rows, [y or "accuracy"], [x or "latency_ms"])


def _objective(argument, name, defaults, front):
    names = (*front.maximize, *front.minimize)
    if name is None and defaults:
        return defaults[0]
    if name not in names:
        raise ValueError(
            f"Argument `{argument}` must be one of the front's objectives, "
            f"{names}. Received: {argument}={name!r}"
        )
    return name


def _draw(front, x, y):
    figure, axes = figures.new_figure(6.4, 4.4, layout="constrained")
    _scatter(axes, front.dominated, x, y, color="0.8", label="dominated")
    _step(axes, front, x, y)
    _scatter(axes, front.rows, x, y, color="C0", label="front", zorder=3)
    if front.rows:
        place = {"loc": "lower left", "bbox_to_anchor": (0, 1)}
        axes.legend(**place, ncols=2, frameon=False)
    axes.set(xlabel=_title(front, x), ylabel=_title(front, y))
    axes.grid(color="0.93")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _scatter(axes, rows, x, y, **style):
    if rows:
        axes.scatter([r[x] for r in rows], [r[y] for r in rows], s=28, **style)


def _step(axes, front, x, y):
    """Draws the front of the two figures alone."""
    pair = pareto_front(
        front.rows,
        [name for name in (x, y) if name in front.maximize],
        [name for name in (x, y) if name in front.minimize],
    )
    points = sorted({(row[x], row[y]) for row in pair.rows})
    # Whoever may pay more for `x` can have at least this `y`.
    where = "post" if x in front.minimize else "pre"
    columns = list(zip(*points, strict=True)) or [(), ()]
    axes.step(*columns, where=where, color="C0", linewidth=1.2)


def _title(front, name):
    better = "larger" if name in front.maximize else "smaller"
    return figures.plain(f"{name} ({better} is better)")
