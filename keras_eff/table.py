"""Tables as plain text."""

import io
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

# Nothing is cut off, whatever the width of the terminal.
_WIDTH = 10_000


def format_table(columns: Mapping[str, str], rows: Iterable[Sequence]) -> str:
    """Returns aligned lines, the titles first, numbers to the right.

    A column in which no line has a value is left out.

    `columns`: for each title, how the numbers below it are formatted, such as
    ",.3f"; empty for a column of text. `rows`: the values of each line; a
    number that is None is a dash.
    """
    # They take a moment to import, and few programs print a table.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    cells = []
    values = list(zip(*rows, strict=True)) or [()] * len(columns)
    for (title, numbers), column in zip(columns.items(), values, strict=True):
        if not column or any(value is not None for value in column):
            side = "right" if numbers else "left"
            table.add_column(Text(title), justify=side, no_wrap=True)
            cells.append([Text(_cell(value, numbers)) for value in column])
    for row in zip(*cells, strict=True):
        table.add_row(*row)
    lines = io.StringIO()
    console = Console(
        file=lines,
        width=_WIDTH,
        color_system=None,
        force_terminal=False,
        force_jupyter=False,
    )
    console.print(table)
    return "\n".join(x.rstrip() for x in lines.getvalue().splitlines())


def _cell(value: Any, numbers: str) -> str:
    if value is None:
        return "-" if numbers else ""
    return format(value, numbers) if numbers else str(value)
