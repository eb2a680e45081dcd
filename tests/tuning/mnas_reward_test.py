import math

import numpy as np
import pytest

from keras_eff.tuning.mnas_reward import mnas_reward


@pytest.mark.parametrize("hard", [False, True], ids=["soft", "hard"])
def test_the_target_itself_scores_the_accuracy(hard):
    assert mnas_reward(0.75, 80, 80, hard=hard) == 0.75


def test_the_papers_choice_of_w_makes_twice_the_latency_cost_5_percent():
    # Section 3.1: Reward(M2) = a (1 + 5 %) (2 l / T)^w = Reward(M1).
    slow = mnas_reward(0.5 * 1.05, 2 * 30.0, target_ms=80.0)
    assert slow == pytest.approx(mnas_reward(0.5, 30.0, 80.0), rel=2e-3)


def test_the_soft_reward_is_equation_2_on_either_side_of_the_target():
    for latency_ms in (20.0, 79.0, 81.0, 160.0):
        logarithm = math.log(0.6) - 0.07 * math.log(latency_ms / 80.0)
        reward = mnas_reward(0.6, latency_ms, 80.0)
        assert math.log(reward) == pytest.approx(logarithm)


def test_the_hard_reward_falls_above_the_target_only():
    # Figure 3 of the paper: alpha = 0, beta = -1.
    rewards = [mnas_reward(0.6, x, 80.0, -1.0, hard=True) for x in (20, 160)]
    assert rewards == pytest.approx([0.6, 0.3])


def test_numbers_of_numpy_are_numbers():
    reward = mnas_reward(np.float32(0.5), np.int64(2), np.float64(1), -1)
    assert reward == 0.25 and type(reward) is float


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accuracy", 1.01),
        ("accuracy", float("nan")),
        ("latency_ms", 0.0),
        ("latency_ms", float("inf")),
        ("target_ms", -1.0),
        ("w", 0.07),
    ],
)
def test_a_number_out_of_range_is_an_error(name, value):
    arguments = {"accuracy": 0.5, "latency_ms": 1.0, "target_ms": 1.0}
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}={value}"):
        mnas_reward(**{**arguments, name: value})


def test_something_else_than_a_number_is_an_error():
    with pytest.raises(ValueError, match="Received: accuracy='1'"):
        mnas_reward("1", 1.0, 1.0)
    with pytest.raises(ValueError, match="latency_ms=True"):
        mnas_reward(1.0, True, 1.0)
