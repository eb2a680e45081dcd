import numpy as np
import pytest

from keras_eff.export.comparison import compare
from keras_eff.tflite.execution import Execution


def execution(delegate, builtin, scales):
    return Execution(
        delegate=delegate,
        builtin=builtin,
        delegate_partitions=1,
        output_scales=scales,
    )


def test_figures_are_those_of_the_worse_resolver():
    expected = np.array([[0.0, 1.0], [2.0, -4.0]])
    better = expected + 0.1
    worse = expected + np.array([[0.0, 0.0], [0.0, 8.0]])
    result = compare([expected], execution([better], [worse], [0.5]))
    assert result.max_abs_error == 8.0
    assert result.mean_lsb == pytest.approx(8.0 / 4 / 0.5)
    assert result.mean_share == pytest.approx(8.0 / 4 / 4.0)
    assert result.agreement == 0.5


def test_figures_are_those_of_the_worst_output():
    first, second = np.array([[1.0, 2.0]]), np.array([[4.0]])
    actual = [first, second + 2.0]
    result = compare([first, second], execution(actual, actual, [None, 0.5]))
    assert result.max_abs_error == 2.0
    assert result.mean_lsb == 4.0
    assert result.agreement == 1.0


def test_float_numbers_have_neither_steps_nor_choices():
    expected = np.array([[4.0], [2.0]])
    result = compare([expected], execution([expected], [expected], [None]))
    assert result.mean_lsb is None
    assert result.agreement is None


def test_nan_is_never_close():
    expected = np.array([[1.0, 2.0]])
    actual = np.array([[np.nan, 2.0]])
    result = compare([expected], execution([actual], [actual], [None]))
    assert not result.mean_share <= 1e9


def test_another_shape_raises():
    expected = np.zeros((2, 3))
    actual = np.zeros((2, 4))
    with pytest.raises(RuntimeError, match=r"Received: \(2, 4\)"):
        compare([expected], execution([actual], [actual], [None]))


def r2_by_loop(expected, actual):
    """By its definition, channel by channel."""
    found = []
    for e, a in zip(expected.T, actual.T, strict=True):
        mean = sum(e) / len(e)
        noise = sum((x - y) ** 2 for x, y in zip(e, a, strict=True))
        found.append(1.0 - noise / sum((x - mean) ** 2 for x in e))
    return found


def test_r2_is_that_of_each_channel_in_the_worse_resolver():
    generator = np.random.default_rng(0)
    expected = generator.normal(size=(30, 2)) * [100.0, 1.0]
    better = expected + generator.normal(scale=0.1, size=(30, 2))
    worse = expected + generator.normal(scale=0.5, size=(30, 2))
    result = compare(
        [expected], execution([better], [worse], [None]), ["boxes"]
    )
    (row,) = result.outputs
    assert row.channel_r2 == pytest.approx(r2_by_loop(expected, worse))
    noise = np.sum((expected - worse) ** 2)
    signal = np.sum((expected - expected.mean(axis=0)) ** 2)
    assert result.r2 == row.r2 == pytest.approx(1.0 - noise / signal)
    assert result.worst_channel == ("boxes", 1, row.channel_r2[1])
    assert row.num_choices == 2
    deviations = expected.std(axis=0) / (expected.max() - expected.min())
    assert row.channel_spread == pytest.approx(deviations)


def test_positions_are_samples_of_their_channel():
    expected = np.random.default_rng(0).normal(size=(5, 4, 3, 2))
    actual = expected + 0.1
    flat = [x.reshape(-1, 2) for x in (expected, actual)]
    (row,) = compare([expected], execution([actual], [actual], [None])).outputs
    assert row.channel_r2 == pytest.approx(r2_by_loop(*flat))


def test_constants_have_no_r2():
    expected = np.full((6, 2), 3.0)
    expected[:, 1] = np.arange(6)
    actual = expected + 0.5
    (row,) = compare([expected], execution([actual], [actual], [None])).outputs
    assert row.channel_r2[0] is None and row.worst_channel == 1
    alone = compare(
        [expected[:, :1]], execution(*[[actual[:, :1]]] * 2, [None])
    )
    assert alone.r2 is alone.worst_channel is None


def saturated(values):
    """A softmax of two classes, of which one is certain."""
    return np.concatenate([1.0 - 1e-4 * values, 1e-4 * values], axis=1)


@pytest.mark.parametrize(
    "make, near_constant",
    [
        (lambda x: 300.0 + x, (0,)),
        (lambda x: 3.0 + x, ()),
        (lambda x: 1e-3 * x, ()),
        (saturated, (0, 1)),
        (lambda x: 640.0 * saturated(x), (0,)),
        (lambda x: np.concatenate([300.0 + x, x], axis=1), (0,)),
    ],
    ids=["offset", "varying", "small", "softmax", "boxes", "one_of_two"],
)
def test_channels_that_hardly_vary_have_no_r2(make, near_constant):
    expected = make(np.linspace(0.0, 1.0, 30)[:, None])
    actual = expected.mean(axis=0) + 0.01 * np.ptp(expected)
    actual = np.broadcast_to(actual, expected.shape)
    run = execution([actual], [actual], [None])
    (row,) = compare([expected], run).outputs
    assert row.near_constant == near_constant
    known = [x is not None for x in row.channel_r2]
    assert known == [i not in near_constant for i in range(len(known))]
    assert (row.r2 is None) == (len(near_constant) == len(known))
    # Where the file follows what little there is, R2 tells that.
    (same,) = compare(
        [expected], execution([expected], [expected], [None])
    ).outputs
    assert same.near_constant == () and same.r2 == 1.0


def test_what_is_nearly_constant_is_said_in_words():
    little = np.linspace(0.0, 1.0, 30)[:, None]
    alone, beside = 300.0 + little, np.concatenate([300.0 + little, little], 1)
    for expected, text in (
        (alone, "nearly constant over the samples, max 1"),
        (beside, "R2 1.000 (1 nearly constant channel left out), max 1"),
        (np.concatenate([alone, alone + 9.0], 1), "1.000 of nearly constant"),
        (np.full((30, 1), 300.0), "constant over the samples, max 1"),
    ):
        actual = expected + (expected > 9.0)
        result = compare([expected], execution([actual], [actual], [None]))
        assert text in str(result)


def test_each_of_several_outputs_has_its_own_figures():
    boxes, scores = np.arange(6.0)[:, None] * 100.0, np.arange(6.0)[:, None]
    actual = [boxes + 5.0, scores + 0.25]
    run = execution(actual, actual, [None, None])
    result = compare([boxes, scores], run, ["boxes", "scores"])
    first, second = str(result).split("; ")
    assert first.startswith("boxes: R2 ") and first.endswith("max 5")
    assert second.startswith("scores: R2 ") and second.endswith("max 0.25")
    alone = compare([boxes], execution(*[actual[:1]] * 2, [None]))
    assert str(alone) == first.removeprefix("boxes: ")


def test_integers_agree_where_they_are_equal():
    expected = np.array([[1, 2], [3, 4]], "int32")
    actual = np.array([[1, 2], [0, 4]], "int32")
    result = compare([expected], execution([actual], [actual], [None]))
    assert result.agreement == 0.75
    assert result.r2 is None and result.outputs[0].channel_r2 == ()


def test_channels_within_a_step_are_faint():
    expected = np.array([[640.0, 0.2, 7.0], [0.0, 0.9, 7.0]])
    run = execution([expected], [expected], [None])
    assert compare([expected], run).outputs[0].faint == ()
    assert compare([expected], run, steps=[2.5]).outputs[0].faint == (1,)


@pytest.mark.parametrize(
    "rows, is_distribution",
    [
        ([[0.25, 0.75], [1.0, 0.0]], True),
        ([[0.25, 0.25], [1.0, 0.0]], False),
        ([[2.0, -1.0], [1.0, 0.0]], False),
        ([[1.0], [1.0]], False),
    ],
)
def test_distributions_sum_to_one(rows, is_distribution):
    expected = np.array(rows)
    (row,) = compare(
        [expected], execution([expected], [expected], [None])
    ).outputs
    assert row.is_distribution is is_distribution
