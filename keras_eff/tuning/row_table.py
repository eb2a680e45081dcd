from collections.abc import Mapping
from collections.abc import Sequence

from keras_eff.table import format_table


def row_table(rows: Sequence[Mapping], first: Sequence[str]) -> str:
    """Rows as text in columns: `first`, then what else they hold.

    Numbers stand at the right of their column; dictionaries are written as
    "name=value"; what a row lacks is "-".
    """
    others = dict.fromkeys(key for row in rows for key in row)
    keys = [*first, *(key for key in others if key not in first)]
    columns = {
        str(key): "s" if all(_is_number(row.get(key)) for row in rows) else ""
        for key in keys
    }
    return format_table(
        columns, [[_text(r.get(k)) for k in keys] for r in rows]
    )


def _is_number(value):
    return value is None or hasattr(value, "__float__")


def _text(value):
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_text(x)}" for key, x in value.items())
    is_fraction = hasattr(value, "__float__") and not hasattr(
        value, "__index__"
    )
    return f"{float(value):.6g}" if is_fraction else str(value)
