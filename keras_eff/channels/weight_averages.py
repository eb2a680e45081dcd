def averages_of(model) -> dict:
    """The moving averages of weights that the optimizer of a model keeps.

    With `use_ema`, they take the place of the weights in the end. The private
    attributes of Keras's optimizers are those that its `SwapEMAWeights` reads;
    tests/channels/weight_averages_test.py pins them.

    Returns: Dict from the id of a variable to the variable of its average.
    """
    optimizer = getattr(model, "optimizer", None)
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    found = {}
    for each in getattr(optimizer, "optimizers", [optimizer]):
        if getattr(each, "use_ema", False) and each.built:
            averages = each._model_variables_moving_average
            keys = map(id, each._trainable_variables)
            found.update(zip(keys, averages, strict=True))
    return found
