from keras_eff import figure as figures
from keras_eff.debugging.debug_report import DebugReport

_MOST_DB = 60.0
_LEAST_DB = -20.0
_NAMED = 80


def error_plot(report: DebugReport) -> bytes:
    """A PNG of the SQNR along the network, in the order of execution.

    Ratios are drawn within [-20, 60] dB.
    """
    rows = report.rows
    width = max(6.0, 0.2 * min(len(rows), _NAMED))
    figure, axes = figures.new_figure(width, 4.5)
    drawn = [min(max(row.sqnr_db, _LEAST_DB), _MOST_DB) for row in rows]
    axes.plot(range(len(rows)), drawn, marker="o", markersize=3.0)
    axes.set_ylim(_LEAST_DB - 3.0, _MOST_DB + 3.0)
    axes.set_ylabel("SQNR against Keras (dB)")
    axes.grid(alpha=0.3)
    step = -(-len(rows) // _NAMED)
    axes.set_xticks(
        range(0, len(rows), step),
        [figures.plain(row.layer) for row in rows[::step]],
        rotation=90,
        fontsize=7,
    )
    return figures.png(figure, dpi=120, bbox_inches="tight")
