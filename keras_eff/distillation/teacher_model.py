"""A model that teaches, on inputs that may not be its own."""

import keras


def call_model(model, inputs):
    """The outputs of a teacher that is a model, as at inference."""
    try:
        return model(inputs, training=False)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            "The teacher must run on the inputs of the student, or on what "
            '"teacher" of `y` holds in their place: give `fit` '
            '`y={"labels": y, "teacher": its_inputs}`, or, as the teacher, a '
            "function that makes its inputs of the student's and calls it. "
            f"Received: inputs of {_shapes(inputs)} for teacher "
            f"{model.name!r}, which takes {_taken(model)}; it raised "
            f"{_summary(error)}"
        ) from error


def _taken(model):
    if not getattr(model, "inputs", None):
        return "inputs that it does not tell"
    if len(model.inputs) == 1:
        return _shapes(model.inputs)
    return _shapes({x.name: x for x in model.inputs})


def _shapes(inputs):
    """In words, the shapes of one input, or of several by their names."""
    if isinstance(inputs, dict):
        parts = [f"{name!r} {_shape(x)}" for name, x in inputs.items()]
    else:
        parts = [str(_shape(x)) for x in keras.tree.flatten(inputs)]
    return f"shape{'s' if len(parts) > 1 else ''} {', '.join(parts)}"


def _shape(tensor):
    """The batch is of any length."""
    return (None, *tensor.shape[1:])


def _summary(error):
    """The line of an error of Keras that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines()]
    found = [x for x in lines if x and not x.startswith("Exception enc")]
    line = found[0] if found else ""
    for code in ("\x1b[1m", "\x1b[0m"):
        line = line.replace(code, "")
    return f"{type(error).__name__}: {line}"
