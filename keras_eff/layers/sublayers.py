def layers_of(model, kind: type) -> list:
    """The layers of a class anywhere in a model or layer, each once."""
    # The only private attribute that layers and callbacks read.
    return [x for x in model._flatten_layers() if isinstance(x, kind)]
