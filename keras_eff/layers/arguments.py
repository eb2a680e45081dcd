"""Arguments that several layers have."""

from keras_eff.arguments import read_integer

# What a layer of Keras with a kernel and a bias takes for the two.
OF_WEIGHTS = tuple(
    f"{weight}_{part}"
    for weight in ("kernel", "bias")
    for part in ("initializer", "regularizer", "constraint")
)


def read_seed(seed) -> int | None:
    """Reads an integer for random numbers that repeat, or None."""
    if seed is None:
        return None
    return read_integer("seed", seed, also="or None")


def take(names, kwargs: dict) -> dict:
    """Removes the arguments of these names from `kwargs`; returns them."""
    return {name: kwargs.pop(name) for name in names if name in kwargs}


def config_of(layer, names: str) -> dict:
    """The arguments of these names, which are attributes of the layer too."""
    return {name: getattr(layer, name) for name in names.split()}
