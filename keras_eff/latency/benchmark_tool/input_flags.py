"""The flags of benchmark_model for what it feeds a file with."""

import os
import re

from keras_eff.latency.benchmark_tool.input_ranges import row_counts
from keras_eff.latency.input_shapes import check_only_batch_open
from keras_eff.latency.input_shapes import resolve_shapes

INPUT_FLAGS = _NAMES, _SHAPES, _RANGES = (
    "--input_layer",
    "--input_layer_shape",
    "--input_layer_value_range",
)


def input_flags(path: str | os.PathLike, input_shapes) -> list[str]:
    """Returns flags for shapes left open and for numbers of rows.

    The tool itself draws integers below 100, which a smaller table of an
    embedding does not have.
    """
    counts = _row_counts(path)
    if input_shapes is None:
        check_only_batch_open(path)
        if not counts:
            return []
    names, shapes = resolve_shapes(path, input_shapes)
    # The tool splits at these; it only notes names that are not the file's.
    names = [re.sub(r"[,:\s]", "_", name) for name in names]
    sizes = [",".join(map(str, shape)) for shape in shapes]
    flags = [f"{_NAMES}={','.join(names)}", f"{_SHAPES}={':'.join(sizes)}"]
    ranges = [f"{names[place]},0,{n - 1}" for place, n in counts.items()]
    return flags + [f"{_RANGES}={':'.join(ranges)}"] * bool(ranges)


def _row_counts(path):
    try:
        return row_counts(path)
    except (ValueError, IndexError, TypeError):
        return {}
