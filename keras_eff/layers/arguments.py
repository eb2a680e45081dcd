"""Arguments that several layers have."""

# What a layer of Keras with a kernel and a bias takes for the two.
OF_WEIGHTS = tuple(
    f"{weight}_{part}"
    for weight in ("kernel", "bias")
    for part in ("initializer", "regularizer", "constraint")
)


def check_size(name: str, value, least: int = 1) -> int:
    """The value, an integer of at least `least`."""
    if type(value) is not int or value < least:
        raise ValueError(
            f"Argument `{name}` must be an integer, {least} or more. "
            f"Received: {name}={value!r}"
        )
    return value


def check_rate(name: str, value) -> float:
    """The value, a probability below 1."""
    if not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise ValueError(
            f"Argument `{name}` must be a float in [0, 1). "
            f"Received: {name}={value!r}"
        )
    return value


def take(names, kwargs: dict) -> dict:
    """Removes the arguments of these names from `kwargs`; returns them."""
    return {name: kwargs.pop(name) for name in names if name in kwargs}
