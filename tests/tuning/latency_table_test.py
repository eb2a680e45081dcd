import json

import keras
import numpy as np
import pytest

from keras_eff.latency import Latency
from keras_eff.tuning.latency_table import LatencyTable

TABLE = LatencyTable({"a": 1.0, "b": 2.0, "c": 4.0})
CHAINS = [["a"], ["b"], ["a", "b", "b"], ["c", "c"], ["a", "b", "c", "c"]]
SUMS = np.array([1.0, 2.0, 5.0, 8.0, 11.0])


def models(latencies_ms):
    return list(zip(CHAINS, latencies_ms, strict=True))


def test_a_prediction_is_the_sum_of_the_blocks_before_fit():
    assert TABLE.predict(["a", "b", "a"]) == 4.0
    assert TABLE.error is None and str(TABLE).endswith("not fitted")


def test_fit_finds_a_factor_and_an_offset():
    fitted = TABLE.fit(models(0.75 * SUMS + 0.25))
    assert fitted.scale == pytest.approx(0.75)
    assert fitted.offset_ms == pytest.approx(0.25)
    assert fitted.error == pytest.approx(0.0, abs=1e-9)
    assert fitted.predict(["a", "c"]) == pytest.approx(4.0)
    assert TABLE.scale == 1.0


@pytest.mark.parametrize(
    ("measured", "scale_is_zero", "offset_is_zero"),
    [
        (SUMS + np.array([0.3, -0.1, 0.2, 0.4, 0.1]), False, False),
        (2 * SUMS - 0.9, False, True),
        (9 - 0.5 * SUMS, True, False),
    ],
    ids=["free", "offset at zero", "scale at zero"],
)
def test_fit_is_least_squares_that_are_not_negative(
    measured, scale_is_zero, offset_is_zero
):
    from scipy.optimize import nnls

    expected, _ = nnls(np.stack([SUMS, np.ones(5)], axis=1), measured)
    fitted = TABLE.fit(models(measured))
    assert [fitted.scale, fitted.offset_ms] == pytest.approx(expected)
    assert (fitted.scale == 0) == scale_is_zero
    assert (fitted.offset_ms == 0) == offset_is_zero


def test_the_error_is_that_of_models_left_out():
    measured = SUMS + np.array([2.3, 1.9, 2.2, 2.4, 2.1])
    errors = []
    for index in range(5):
        kept = np.delete(np.arange(5), index)
        line = np.polyfit(SUMS[kept], measured[kept], 1)
        predicted = np.polyval(line, SUMS[index])
        errors.append(abs(predicted / measured[index] - 1))
    assert TABLE.fit(models(measured)).error == pytest.approx(np.mean(errors))


def test_models_of_one_sum_give_a_factor():
    fitted = TABLE.fit([(["b"], 3.0), (["a", "a"], 3.0), (["b"], 3.0)])
    assert (fitted.scale, fitted.offset_ms) == (1.5, 0.0)


def test_blocks_are_measured_one_by_one():
    latencies_ms = iter([0.5, 0.25])

    def runner(path, num_threads, num_runs):
        return Latency.from_times(
            [next(latencies_ms)],
            num_threads=num_threads,
            runner="r",
            device="d",
        )

    blocks = {
        str(units): keras.Sequential(
            [keras.Input((units,)), keras.layers.Dense(units)]
        )
        for units in (33, 34)
    }
    table = LatencyTable.measure(blocks, runner, quantize="float16")
    assert table == LatencyTable({"33": 0.5, "34": 0.25})


def test_a_table_is_saved_and_loaded(tmp_path):
    fitted = TABLE.fit(models(0.75 * SUMS + 0.25))
    for table in (TABLE, fitted):
        table.save(tmp_path / "table.json")
        assert LatencyTable.load(tmp_path / "table.json") == table
    assert [x.name for x in tmp_path.iterdir()] == ["table.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        json.dumps({"version": 2, "latencies_ms": {"a": 1.0}}),
        json.dumps({"version": 1, "latencies_ms": {"a": -1.0}}),
        json.dumps({"version": 1, "latencies_ms": {"a": 1.0}, "other": 1}),
    ],
    ids=["empty", "list", "no version", "newer", "negative", "more"],
)
def test_a_file_of_something_else_is_an_error(tmp_path, text):
    (tmp_path / "table.json").write_text(text)
    with pytest.raises(ValueError, match="LatencyTable.save.*Received: path="):
        LatencyTable.load(tmp_path / "table.json")


def test_a_missing_file_is_an_error():
    with pytest.raises(FileNotFoundError, match="Received: path="):
        LatencyTable.load("absent.json")


def test_a_block_that_is_not_in_the_table_is_an_error():
    with pytest.raises(ValueError, match="\\['a', 'b', 'c'\\].*: \\['d'"):
        TABLE.predict(["a", "d"])
    with pytest.raises(ValueError, match="Received: names='abc'"):
        TABLE.predict("abc")
    with pytest.raises(ValueError, match="Received: names=\\[\\]"):
        TABLE.predict([])


def test_fit_needs_three_models():
    with pytest.raises(ValueError, match="Received: 2 models"):
        TABLE.fit(models(SUMS)[:2])


def test_fit_needs_latencies():
    with pytest.raises(ValueError, match="Received: latency_ms of a model="):
        TABLE.fit(models(0 * SUMS))


def test_a_table_needs_blocks_with_latencies():
    with pytest.raises(ValueError, match="at least one block"):
        LatencyTable({})
    with pytest.raises(ValueError, match="latencies_ms\\['a'\\]=0"):
        LatencyTable({"a": 0})
    with pytest.raises(ValueError, match="latencies_ms\\['a'\\]='1'"):
        LatencyTable({"a": "1"})
    with pytest.raises(TypeError, match="\\['a'\\] of type builtins.list"):
        LatencyTable(["a"])


def test_numbers_of_numpy_are_saved(tmp_path):
    table = LatencyTable({"a": np.float32(0.5)}, np.int64(2), np.float16(1.0))
    table.save(tmp_path / "table.json")
    assert LatencyTable.load(tmp_path / "table.json") == table
    assert table.predict(["a"]) == 2.0
