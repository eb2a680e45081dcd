"""When a callback acts that goes by the steps of the optimizer."""

from keras import ops


def check_frequency(frequency) -> None:
    """Raises a ValueError unless it is a number of steps."""
    if type(frequency) is not int or frequency < 1:
        raise ValueError(
            "Argument `frequency` must be a positive integer. "
            f"Received: frequency={frequency!r}"
        )


def check_schedule(schedule) -> None:
    """Raises a TypeError unless it is a function of the step."""
    if not callable(schedule):
        raise TypeError(
            "Argument `schedule` must be a function of the step. "
            f"Received: schedule={schedule!r}"
        )


def iterations(model) -> int:
    """The steps that the optimizer of a model has made; 0 without one."""
    if model.optimizer is None:
        return 0
    # Through NumPy: a replicated variable is not a number.
    return int(ops.convert_to_numpy(model.optimizer.iterations))


def accumulation_steps(model) -> int:
    """The batches to one step of the optimizer of a model."""
    optimizer = getattr(model, "optimizer", None)
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return getattr(inner, "gradient_accumulation_steps", None) or 1
