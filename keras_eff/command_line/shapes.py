"""The flag --input_shapes."""

import re

from absl import flags as absl_flags


def define_input_shapes(flags: absl_flags.FlagValues) -> None:
    """Defines --input_shapes."""
    absl_flags.DEFINE_string(
        "input_shapes",
        None,
        "Shapes of the inputs where these leave dimensions open, such as "
        "20,8; of several inputs in order, 20,8:4. With or without the batch.",
        flag_values=flags,
    )


def given_shapes(flags: absl_flags.FlagValues) -> dict[str, list[tuple]]:
    """The argument `input_shapes`, if the user has given the flag.

    Raises:
        ValueError: If the flag holds something else than numbers.
    """
    text = flags.input_shapes
    if text is None:
        return {}
    if not re.fullmatch(r"\d+(,\d+)*(:\d+(,\d+)*)*", text):
        raise ValueError(
            "--input_shapes must be integers such as 20,8, or 20,8:4 for two "
            f"inputs. Received: {text}"
        )
    shapes = [tuple(map(int, part.split(","))) for part in text.split(":")]
    return {"input_shapes": shapes}
