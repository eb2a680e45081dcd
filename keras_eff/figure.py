"""Pictures, drawn by matplotlib, which is not needed otherwise."""

import importlib.util
import io

from keras_eff.atomic_write import atomic_write


def check_matplotlib(what: str) -> None:
    """Raises an ImportError unless matplotlib is installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError(
            f"{what} needs matplotlib: pip install 'keras_eff[examples]'"
        )


def new_figure(width: float, height: float, **options):
    """A figure, and its axes."""
    # Not pyplot: that would change the state of the user's own figures.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), **options)
    return figure, figure.add_subplot()


def plain(text: str) -> str:
    """A text in which a dollar sign begins no formula."""
    return text.replace("$", r"\$")


def png(figure, **options) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", **options)
    return stream.getvalue()


def write_png(figure, path) -> None:
    """Writes a picture, if there is a path."""
    if path is not None:
        with atomic_write(path, png(figure, dpi=150)):
            pass
