import dataclasses

# What names a curve, in each of its lines.
IDENTITY = ("trial", "attempt", "execution", "monitor")


@dataclasses.dataclass
class Curve:
    """What one training has reported.

    Args:
        trial: String that identifies the configuration.
        attempt: Positive integer, how often the trial has been started.
        execution: Integer of 0 or more, the training within the attempt.
        monitor: String, name of the value.
        values: Dictionary from the epoch, the first being 1, to its value.
        stopped: None, or a dictionary that says why the training was stopped.
    """

    trial: str
    attempt: int
    execution: int
    monitor: str
    values: dict[int, float] = dataclasses.field(default_factory=dict)
    stopped: dict | None = None

    @property
    def identity(self) -> dict:
        return {name: getattr(self, name) for name in IDENTITY}
