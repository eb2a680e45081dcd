import importlib.util
import io

from keras_eff.debugging.debug_report import DebugReport

_MOST_DB = 60.0
_LEAST_DB = -20.0
_NAMED = 80


def check_matplotlib() -> None:
    """Raises an ImportError unless matplotlib is installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError(
            "Argument `plot` needs matplotlib: "
            "pip install 'keras_eff[examples]'"
        )


def error_plot(report: DebugReport) -> bytes:
    """A PNG of the SQNR along the network, in the order of execution.

    Ratios are drawn within [-20, 60] dB.
    """
    # Not pyplot: that would change the state of the user's own figures.
    from matplotlib.figure import Figure

    rows = report.rows
    figure = Figure(figsize=(max(6.0, 0.2 * min(len(rows), _NAMED)), 4.5))
    axes = figure.add_subplot()
    drawn = [min(max(row.sqnr_db, _LEAST_DB), _MOST_DB) for row in rows]
    axes.plot(range(len(rows)), drawn, marker="o", markersize=3.0)
    axes.set_ylim(_LEAST_DB - 3.0, _MOST_DB + 3.0)
    axes.set_ylabel("SQNR against Keras (dB)")
    axes.grid(alpha=0.3)
    step = -(-len(rows) // _NAMED)
    axes.set_xticks(
        range(0, len(rows), step),
        # A dollar sign would begin a formula.
        [row.layer.replace("$", r"\$") for row in rows[::step]],
        rotation=90,
        fontsize=7,
    )
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=120, bbox_inches="tight")
    return stream.getvalue()
