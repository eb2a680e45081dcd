# The only private attribute that layers and callbacks read, in one place.
def layers_of(model, kind: type) -> list:
    """The layers of a class anywhere in a model or layer, each once."""
    return [x for x in model._flatten_layers() if isinstance(x, kind)]


def children_of(layer) -> list:
    """The layers that a layer holds itself."""
    return layer._flatten_layers(recursive=False, include_self=False)
