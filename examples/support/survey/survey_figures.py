"""Pictures of the survey's experiment: accuracy against what it costs."""

import pathlib
from collections.abc import Mapping
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from matplotlib.ticker import NullFormatter

from keras_eff.tuning import pareto_front

_COSTS = {
    "num_parameters": "parameters",
    "size_bytes": "bytes of the file",
    "latency_ms": "latency for one image (ms)",
}
_MARKERS = "osD^vPX"


def save_families(
    groups: Mapping[str, Sequence[Mapping]], path: pathlib.Path
) -> None:
    """Saves a PNG: a line through the widths of each group.

    Args:
        groups: {what the legend calls it: rows}.
        path: Path of the PNG.
    """
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    for axes, cost in zip(panels, _COSTS, strict=True):
        _prepare(axes, cost)
        for index, (label, rows) in enumerate(groups.items()):
            points = sorted((row[cost], row["accuracy"]) for row in rows)
            axes.plot(
                *zip(*points, strict=True),
                marker=_MARKERS[index % len(_MARKERS)],
                color=f"C{index}",
                label=label,
            )
    _finish(figure, panels[0], path)


def save_frontier(
    family: Sequence[Mapping],
    groups: Mapping[str, Sequence[Mapping]],
    path: pathlib.Path,
) -> None:
    """Saves a PNG: the files of the survey's kind, and those beyond them.

    Args:
        family: Rows of the survey's kind, in grey with their frontier.
        groups: {what the legend calls it: rows} of the others; their frontier
            is black.
        path: Path of the PNG.
    """
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    others = [row for rows in groups.values() for row in rows]
    for axes, cost in zip(panels, list(_COSTS)[1:], strict=True):
        _prepare(axes, cost)
        _scatter(axes, family, cost, color="0.7", label="the survey's kind")
        _step(axes, family, cost, "0.7")
        for index, (label, rows) in enumerate(groups.items()):
            marker = _MARKERS[index % len(_MARKERS)]
            style = {"marker": marker, "color": f"C{index}", "zorder": 3}
            _scatter(axes, rows, cost, label=label, **style)
        _step(axes, others, cost, "black")
    _finish(figure, panels[0], path)


def _prepare(axes, cost):
    axes.set(xscale="log", xlabel=_COSTS[cost])
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", labelrotation=30)
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _scatter(axes, rows, cost, **style):
    xs, ys = [row[cost] for row in rows], [row["accuracy"] for row in rows]
    axes.scatter(xs, ys, s=30, **style)


def _step(axes, rows, cost, color):
    """Draws the best accuracy that can be had for each cost."""
    front = pareto_front(rows, minimize=[cost]).rows
    front = sorted(front, key=lambda row: row[cost])
    xs, ys = [row[cost] for row in front], [row["accuracy"] for row in front]
    axes.step(xs, ys, where="post", color=color, zorder=2)


def _finish(figure, axes, path):
    axes.set_ylabel("accuracy on the test images")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper left", ncols=5, frameon=False
    )
    figure.savefig(path, dpi=150)
