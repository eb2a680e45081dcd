from collections.abc import Mapping
from collections.abc import Sequence


def row_table(rows: Sequence[Mapping], first: Sequence[str]) -> str:
    """Rows as text in columns: `first`, then what else they hold.

    Numbers stand at the right of their column; dictionaries are written as
    "name=value"; what a row lacks is "-".
    """
    others = dict.fromkeys(key for row in rows for key in row)
    keys = [*first, *(key for key in others if key not in first)]
    lines = [[str(key) for key in keys]]
    lines += [[_text(row.get(key)) for key in keys] for row in rows]
    numeric = [all(_is_number(row.get(key)) for row in rows) for key in keys]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if is_numeric else cell.ljust(width)
            for cell, width, is_numeric in zip(
                line, widths, numeric, strict=True
            )
        ).rstrip()
        for line in lines
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
