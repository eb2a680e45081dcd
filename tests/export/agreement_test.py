import warnings

import numpy as np
import pytest

from keras_eff.export.agreement import check_agreement
from keras_eff.export.agreement import check_exactness
from keras_eff.export.comparison import compare
from keras_eff.tflite.execution import Execution


def normal(shape, scale=1.0, seed=0):
    return np.random.default_rng(seed).normal(scale=scale, size=shape)


def uniform(shape):
    return np.random.default_rng(0).uniform(size=shape)


def compared(expected, actual, step=None):
    execution = Execution([actual], [actual], 1, [step])
    return compare([expected], execution, ["y"])


def check(expected, actual, limit=0.8, is_random=False, step=None):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        comparison = compared(expected, actual, step)
        check_agreement(comparison, limit, is_random, lambda _: "The way out")


def logits(count=64):
    return normal((count, 5))


def softmax(values):
    powers = np.exp(4.0 * values)
    return powers / powers.sum(axis=1, keepdims=True)


def with_other_choices(values, count):
    """The first rows turned round: another choice, and other values."""
    return np.concatenate([values[:count, ::-1], values[count:]])


def test_a_wrong_choice_raises_with_figures_and_the_way_out():
    expected = softmax(logits())
    actual = with_other_choices(expected, 40)
    with pytest.raises(RuntimeError, match="answers otherwise") as caught:
        check(expected, actual)
    agreement = np.mean(expected.argmax(1) == actual.argmax(1))
    for part in (
        *("'y'", f"agreement {agreement:.3f}", "R2", "64 samples"),
        *("min_agreement=0.8", "The way out", "Nothing was written"),
    ):
        assert part in str(caught.value)
    check(expected, actual, limit=0.1)


def test_zero_neither_raises_nor_warns():
    expected = softmax(logits())
    check(expected, with_other_choices(expected, 64), limit=0.0)
    check(expected, expected * 0.0, limit=0.0, step=100.0)


def test_choices_between_equals_are_not_held_against_a_file():
    expected = np.repeat(normal((64, 1)), 5, axis=1)
    actual = expected + normal(expected.shape, 1e-4, seed=1)
    assert compared(expected, actual).agreement < 0.5
    check(expected, actual)


def test_one_standard_error_is_in_favor_of_the_file():
    expected = softmax(3.0 * np.eye(5)[np.arange(8) % 5])
    # Of 8 choices, 6 and 4 are the same.
    check(expected, with_other_choices(expected, 2))
    with pytest.raises(RuntimeError, match="agreement 0.500"):
        check(expected, with_other_choices(expected, 5))


def test_regression_of_one_channel_is_judged_by_r2():
    expected = normal((64, 1))
    check(expected, expected + normal((64, 1), 0.2, seed=1))
    with pytest.raises(RuntimeError, match="R2"):
        check(expected, expected + normal((64, 1), 0.6, seed=1))


def test_a_lost_channel_raises_whatever_the_largest_channel_is():
    boxes = uniform((64, 2)) * 100.0 + [0.0, 300.0]
    lost = boxes.copy()
    lost[:, 0] = 50.0
    assert compared(boxes, lost).agreement == 1.0
    with pytest.raises(RuntimeError, match=r"in channel 0"):
        check(boxes, lost)


def test_noise_in_some_channels_does_not_raise_where_choices_agree():
    expected = logits() + [0.0, 0.0, 0.0, 0.0, -2.0]
    actual = expected.copy()
    actual[:, 4] = expected[::-1, 4]
    comparison = compared(expected, actual)
    assert comparison.agreement > 0.9 and comparison.worst_channel[-1] < 0.0
    with pytest.warns(UserWarning, match="channel 4 of output 'y'"):
        check_agreement(comparison, 0.8, False, lambda _: "")


def test_outputs_raise_where_nothing_but_the_choice_is_left():
    expected = logits()
    actual = np.eye(5)[expected.argmax(axis=1)] * 9.0
    with pytest.raises(RuntimeError, match="agreement 1.000, R2 -"):
        check(expected, actual)


def test_noise_in_a_rare_class_of_a_softmax_does_not_raise():
    expected = softmax(logits() + [0, 0, 0, 0, -1.0])
    actual = expected.copy()
    actual[:, 4] = expected[::-1, 4]
    actual[:, 3] += expected[:, 4] - actual[:, 4]
    assert compared(expected, actual).agreement > 0.8
    check(expected, actual)


def test_integers_agree_where_they_are_equal():
    expected = (9 * uniform((64, 3))).astype(int)
    check(expected, expected)
    with pytest.raises(RuntimeError, match="agreement"):
        check(expected, expected[::-1])


@pytest.mark.parametrize("count, is_random", [(7, False), (64, True)])
def test_weak_evidence_warns(count, is_random):
    expected = softmax(logits(count))
    with pytest.warns(UserWarning, match="answers otherwise"):
        check_agreement(
            compared(expected, expected[:, ::-1]),
            0.8,
            is_random,
            lambda _: "",
        )


def test_channels_below_one_step_are_warned_of_by_name():
    scale = [640.0, 640.0, 1.0]
    expected = uniform((64, 3)) * scale
    actual = np.rint(expected / 2.5) * 2.5
    with pytest.warns(UserWarning, match="channel 2 of output 'y' .*one step"):
        check_agreement(
            compared(expected, actual, 2.5), 0.8, False, lambda _: ""
        )


def test_what_is_nearly_constant_is_not_said_to_be_lost():
    expected = 300.0 + uniform((64, 2)) * [0.5, 0.25]
    actual = np.rint(expected)
    comparison = compared(expected, actual, 1.0)
    assert comparison.outputs[0].faint == (0, 1)
    with pytest.warns(UserWarning, match="Nearly constant") as caught:
        check_agreement(comparison, 0.8, False, lambda _: "")
    (warning,) = caught
    assert "channels 0, 1 of output 'y'" in str(warning.message)
    assert "Lost" not in str(warning.message)


def test_channels_that_are_lost_in_noise_are_warned_of():
    expected = uniform((64, 2)) * [640.0, 30.0]
    actual = expected.copy()
    actual[:, 1] = 15.0
    with pytest.warns(UserWarning, match="channel 1 of output 'y' .R2"):
        check_agreement(compared(expected, actual), 0.8, False, lambda _: "")


def test_choices_of_what_hardly_varies_are_warned_of():
    # As those of networks that were never trained.
    expected = 0.2 + normal((64, 5), 1e-4)
    actual = expected + normal((64, 5), 1e-3, seed=1)
    with pytest.warns(UserWarning, match="'y' .*hardly vary"):
        check_agreement(compared(expected, actual), 0.8, False, lambda _: "")


def test_a_file_that_is_not_what_was_meant_raises_with_both_figures():
    expected = logits()
    given = compared(expected, expected + 1.0)
    meant = compared(expected, expected + 0.1)
    share = 0.1 / np.abs(expected).max()
    check_exactness("m", given, meant, 1.01 * share, lambda _: "")
    with pytest.raises(RuntimeError, match="compute what model 'm'") as caught:
        check_exactness(
            "m", given, meant, 0.99 * share, lambda _: "The way out"
        )
    for part in ("max 1;", "rounded: agreement 1.000", "max 0.1;", "way out"):
        assert part in str(caught.value)
    nan = compared(expected, expected * np.nan)
    with pytest.raises(RuntimeError, match="tolerance=inf"):
        check_exactness("m", nan, nan, np.inf, lambda _: "")


def test_the_way_out_is_asked_for_by_the_numbers_of_wrong_outputs():
    right, wrong = logits(), logits()[::-1]
    run = Execution([right, right], [right, right], 1, [None, None])
    both = compare([right, wrong], run, ["a", "b"])
    with pytest.raises(RuntimeError, match=r"output 'b': .* Wrong: \[1\];"):
        check_agreement(both, 0.8, False, "Wrong: {}".format)
    with pytest.raises(RuntimeError, match=r"tolerance=0.1. Wrong: \[1\]\."):
        check_exactness("m", both, both, 0.1, "Wrong: {}".format)
