"""What optimizers keep for each weight of a model."""

import keras


def slots_of(model, variable, part: str) -> list:
    """The variables of a part that optimizers keep for a weight.

    `model`: `keras.Model`; the optimizers are its attributes, as `optimizer`
    is. `part`: string, the name of the part: "momentum", "average", ...

    Returns: List of variables, one for each optimizer that has the part.
    """
    # Variables in two nested models may share a path: then they keep order.
    alike = [v for v in model.trainable_variables if v.path == variable.path]
    name = f"{variable.path.replace('/', '_')}_{part}"
    found = []
    for optimizer in _optimizers(model):
        slots = [slot for slot in optimizer.variables if slot.name == name]
        pairs = zip(alike, slots, strict=False)
        found += [slot for owner, slot in pairs if owner is variable]
    return found


def _optimizers(model):
    values = [getattr(model, "optimizer", None), *vars(model).values()]
    inner = [getattr(value, "inner_optimizer", value) for value in values]
    known = [x for x in inner if isinstance(x, keras.optimizers.Optimizer)]
    return list({id(x): x for x in known}.values())
