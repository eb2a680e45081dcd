import dataclasses

# What names a curve, in each of its lines; "fit" came later, and 0 is none.
IDENTITY = ("trial", "attempt", "execution", "monitor", "fit")


@dataclasses.dataclass
class Curve:
    """What one training has reported.

    Args:
        trial: String that identifies the configuration.
        attempt: Positive integer, how often the trial has been started.
        execution: Integer of 0 or more, the training within the attempt.
        monitor: String, name of the value.
        fit: Integer of 0 or more, the call of `fit` within the execution.
        values: Dictionary from the epoch, the first being 1, to its value.
        stopped: None, or a dictionary that says why the training was stopped.
    """

    trial: str
    attempt: int
    execution: int
    monitor: str
    fit: int = 0
    values: dict[int, float] = dataclasses.field(default_factory=dict)
    stopped: dict | None = None

    @property
    def begin(self) -> int:
        """The first epoch with a value; 1 without any."""
        return min(self.values, default=1)

    @property
    def identity(self) -> dict:
        return {name: getattr(self, name) for name in IDENTITY}
