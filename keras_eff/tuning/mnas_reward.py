from keras_eff.arguments import read_number


def mnas_reward(
    accuracy: float,
    latency_ms: float,
    target_ms: float,
    w: float = -0.07,
    *,
    hard: bool = False,
) -> float:
    """Returns one score for accuracy and latency, for a search to maximize.

    `accuracy * (latency_ms / target_ms)**w`. With the default, a model of
    twice the latency must be 5 % more accurate to score the same, on either
    side of the target, so that a search finds a front around it. With `hard`,
    a model under the target scores its accuracy, and nothing is gained by
    being faster; use a steep `w` then, such as -1.0.

    Args:
        accuracy: Float in [0, 1].
        latency_ms: Float > 0, measured latency, in milliseconds.
        target_ms: Float > 0, latency to aim at, in milliseconds.
        w: Float <= 0, exponent of the latency.
        hard: Boolean, whether latency counts above the target only.

    Returns:
        Float >= 0.

    Raises:
        ValueError: If an argument is out of range or not finite.

    Example:

    >>> round(keras_eff.tuning.mnas_reward(0.75, 160.0, target_ms=80.0), 4)
    0.7145

    Reference:
        - [Tan et al., 2019](https://arxiv.org/abs/1807.11626), section 3.1,
          equations 2 and 3: alpha = beta = `w`; with `hard`, alpha = 0 and
          beta = `w`, -1 in the paper.
    """
    accuracy = read_number("accuracy", accuracy, "[0, 1]")
    latency_ms = read_number("latency_ms", latency_ms, "(0, inf)")
    target_ms = read_number("target_ms", target_ms, "(0, inf)")
    w = read_number("w", w, "(-inf, 0]")
    ratio = latency_ms / target_ms
    factor = 1.0 if hard and ratio <= 1 else ratio**w
    return accuracy * factor
