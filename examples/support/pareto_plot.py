"""A picture of the figures of several files: accuracy against cost."""

import os
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from matplotlib.ticker import NullFormatter

from .file_figures import FileFigures

_TICKS = (
    *(0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8, 0.85),
    *(0.9, 0.95, 0.98, 0.99, 0.995),
)
# Shares of the axes: where labels stand, and the least distance of two.
_LABEL_X = 1.04
_LABEL_GAP = 0.065


def save_pareto_plot(
    rows: Sequence[FileFigures],
    path: str | os.PathLike,
    sample: str = "image",
) -> None:
    """Saves a PNG: accuracy against size, accuracy against latency.

    The accuracy is on a logit scale, where .98 and .99 are about as far apart
    as .5 and .7. The line joins the files that no file beats in both.
    `sample` is what the axes call one thing to classify.
    """
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    by_size, by_latency = figure.subplots(1, 2)
    by_size.set(xscale="log", xlabel="size after gzip (kB)")
    by_size.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    by_size.xaxis.set_major_formatter("{x:g}")
    by_size.xaxis.set_minor_formatter(NullFormatter())
    _draw(by_size, rows, [row.gzip_bytes / 1000 for row in rows])
    by_latency.set(xlabel=f"latency for one {sample} (ms)")
    _draw(by_latency, rows, [row.latency_ms for row in rows])
    by_latency.set_xlim(left=0)
    for axes in (by_size, by_latency):
        axes.set_ylabel(f"accuracy on the test {sample}s")
        _label(axes, [row.name for row in rows])
    figure.savefig(path, dpi=150)


def _draw(axes, rows, costs):
    shares = np.clip([row.accuracy for row in rows], 0.01, 0.999)
    axes.set(yscale="logit")
    axes.set_yticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
    axes.set_yticks([], minor=True)
    axes.grid(color="0.92")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(y=0.1)
    for index, point in enumerate(zip(costs, shares, strict=True)):
        axes.scatter(*point, color=f"C{index}", zorder=3)
    front = np.transpose(_front(costs, shares))
    axes.plot(*front, color="0.7", label="no file beats these in both")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False)


def _front(costs, shares):
    """The points that no other point beats, from the cheapest on."""
    points = zip(costs, shares, strict=True)
    front = []
    for cost, share in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or share > front[-1][1]:
            front.append((cost, share))
    return front


def _label(axes, names):
    """Writes the names in a column beside the axes, a line to each point."""
    axes.autoscale_view()
    points = np.concatenate([dots.get_offsets() for dots in axes.collections])
    to_axes = axes.transData - axes.transAxes
    heights = to_axes.transform(points)[:, 1]
    order = np.argsort(heights)
    for index, height in zip(order, _spread(heights[order]), strict=True):
        color = f"C{index}"
        axes.annotate(
            names[index],
            points[index],
            (_LABEL_X, height),
            textcoords="axes fraction",
            verticalalignment="center",
            color=color,
            arrowprops={
                "arrowstyle": "-",
                "color": color,
                "linewidth": 0.5,
                "relpos": (0, 0.5),
            },
        )


def _spread(heights):
    """Moves ascending heights as little as keeps them apart."""
    steps = _LABEL_GAP * np.arange(len(heights))
    loose = heights - steps
    up = np.maximum.accumulate(loose)
    down = np.minimum.accumulate(loose[::-1])[::-1]
    return (up + down) / 2 + steps
