"""Options that several commands share, and how their values are read."""

import re
from typing import Any

import click

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON."
)


class _Shapes(click.ParamType):
    """Shapes of inputs: 20,8:4 for two of them."""

    name = "shapes"

    def convert(self, value, param, ctx):
        if not re.fullmatch(r"\d+(,\d+)*(:\d+(,\d+)*)*", value):
            self.fail(
                "it must be integers such as 20,8, or 20,8:4 for two inputs. "
                f"Received: {value}"
            )
        return [tuple(map(int, part.split(","))) for part in value.split(":")]


input_shapes_option = click.option(
    "--input_shapes",
    type=_Shapes(),
    help="Shapes of the inputs where these leave dimensions open, such as "
    "20,8; of several inputs in order, 20,8:4. With or without the batch.",
)


def switch(name: str, text: str):
    """An option that is on or off, or None where the user says nothing."""
    return click.option(f"--{name}/--no{name}", default=None, help=text)


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Returns the options that the user has given."""
    return {name: value for name, value in options.items() if value is not None}
