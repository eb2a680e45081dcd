import keras
import numpy as np
import pytest

import keras_eff
from keras_eff.export.weight_rounding import round_weights
from keras_eff.graph.book import kind_of
from keras_eff.graph.walk import calls
from keras_eff.layers.local_attention_pooling import LocalAttentionPooling
from keras_eff.lowering.lowering import Lowering
from keras_eff.lowering.rules import RULES
from keras_eff.quantization.expansion import expand


def model_of(length, group_size, masked, spread=1.0, **call):
    inputs = [keras.Input((length, 6)) for _ in range(3)]
    masks = [keras.Input((length,), dtype="bool")] if masked else []
    outputs = LocalAttentionPooling(2, group_size)(
        *(x * spread for x in inputs), mask=masks[0] if masked else None, **call
    )
    return keras.Model([*inputs, *masks], outputs)


def samples(length, masked):
    generator = np.random.default_rng(0)
    values = [generator.normal(size=(16, length, 6)) for _ in range(3)]
    values = [x.astype("float32") for x in values]
    mask = generator.uniform(size=(16, length)) < 0.6
    mask[0] = False
    return [*values, mask] if masked else values


CASES = [
    (length, group_size, masked)
    for length, group_size in ((8, 4), (7, 2), (10, 3), (9, 5), (4, 8))
    for masked in (False, True)
]


@pytest.mark.parametrize("length, group_size, masked", CASES)
@pytest.mark.parametrize("spread", [1.0, 3.0])
def test_integer_steps_compute_the_same(length, group_size, masked, spread):
    model = model_of(length, group_size, masked, spread)
    expanded, _ = expand(model)
    x = samples(length, masked)
    expected = model.predict(x)
    difference = np.abs(expanded.predict(x) - expected)
    # Shares differ by what an 8-bit sigmoid does not tell apart.
    assert difference.max() < 0.02 * np.abs(expected).max()
    assert not any(
        kind_of(node.operation) in ("local_attention", "softmax", "matmul")
        for node, _ in calls(expanded)
    )


@pytest.mark.parametrize("length, group_size, masked", CASES)
def test_the_float_file_computes_the_same(length, group_size, masked):
    model = model_of(length, group_size, masked)
    lowered = Lowering(RULES).lower(model)
    x = samples(length, masked)
    np.testing.assert_allclose(
        lowered.predict(x), model.predict(x), rtol=1e-4, atol=1e-5
    )
    kinds = {kind_of(node.operation) for node, _ in calls(lowered)}
    assert "local_attention" not in kinds


def moved(model):
    """Whether a float file pools before it computes the values."""
    lowered = Lowering(RULES).lower(model)
    return lowered, any(type(x).__name__ == "Conv1D" for x in lowered.layers)


def projected(length=10, masked=False, wrap=lambda model: model, **options):
    options = {"num_heads": 2, "key_dim": 16, "group_size": 4, **options}
    inputs = [keras.Input((length, 6))]
    if masked:
        inputs.append(keras.Input((length,), dtype="bool"))
    layer = keras_eff.layers.LocalProjectedAttention(
        bias_initializer="random_normal", **options
    )
    mask = inputs[1] if masked else None
    return wrap(keras.Model(inputs, layer(inputs[0], mask=mask)))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("length", [8, 10])
@pytest.mark.parametrize("use_bias", [False, True])
def test_the_float_file_pools_before_it_projects(length, masked, use_bias):
    model = projected(length, masked, use_bias=use_bias, value_dim=24)
    lowered, is_moved = moved(model)
    assert is_moved
    x, *_, mask = samples(length, masked=True)
    x = [x, mask] if masked else x
    np.testing.assert_allclose(
        lowered.predict(x), model.predict(x), rtol=1e-4, atol=1e-5
    )


def test_a_layer_that_is_called_twice_keeps_one_set_of_weights():
    layer = keras_eff.layers.LocalProjectedAttention(2, 16)
    inputs = [keras.Input((8, 6)) for _ in range(2)]
    model = keras.Model(inputs, [layer(x) for x in inputs])
    lowered, is_moved = moved(model)
    assert is_moved and lowered.count_params() == model.count_params()
    x = samples(8, masked=False)[:2]
    for found, expected in zip(
        lowered.predict(x), model.predict(x), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("by_name", [False, True])
def test_arguments_are_found_however_they_were_given(by_name):
    inputs = [keras.Input((8, 6)) for _ in range(3)]
    mask = keras.Input((8,), dtype="bool")
    pooling = LocalAttentionPooling(2, 4)
    if by_name:
        names = ("query", "key", "value")
        outputs = pooling(**dict(zip(names, inputs, strict=True)), mask=mask)
    else:
        outputs = pooling(*inputs, mask)
    model = keras.Model([*inputs, mask], outputs)
    x = samples(8, masked=True)
    expected = model.predict(x)
    lowered, _ = moved(model)
    np.testing.assert_allclose(
        lowered.predict(x), expected, rtol=1e-4, atol=1e-5
    )
    expanded, _ = expand(model)
    difference = np.abs(expanded.predict(x) - expected)
    assert difference.max() < 0.02 * np.abs(expected).max()


def pruned(model):
    return keras_eff.prune(model, 0.5)


def of_four_bits(model):
    return round_weights(model, num_bits=4, smallest=1)


@pytest.mark.parametrize(
    "options",
    [{"wrap": pruned}, {"wrap": of_four_bits}, {"value_dim": 8}],
    ids=["pruned", "four_bits", "small_heads"],
)
def test_values_stay_in_a_dense_layer(options):
    lowered, is_moved = moved(projected(8, **options))
    assert not is_moved
    assert sum(type(x).__name__ == "Dense" for x in lowered.layers) == 4


@pytest.mark.parametrize("make", [None, "dense"])
def test_values_that_no_linear_layer_makes_are_pooled(make):
    x = keras.Input((8, 32))
    y = keras.layers.Dense(32, "relu")(x) if make else x
    outputs = LocalAttentionPooling(2, 4)(x, x, y)
    model = keras.Model(x, outputs)
    lowered, is_moved = moved(model)
    assert not is_moved
    x = np.random.default_rng(0).normal(size=(2, 8, 32))
    np.testing.assert_allclose(
        lowered.predict(x), model.predict(x), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("num_heads", [2, 16])
@pytest.mark.parametrize("length", [None, 8, 10])
def test_files_that_return_the_attention_are_right(length, num_heads, tmp_path):
    x = keras.Input((length, 6))
    layer = keras_eff.layers.LocalProjectedAttention(num_heads, 4)
    model = keras.Model(x, layer(x, return_attention_scores=True))
    x = samples(length or 9, masked=False)[0]
    report = keras_eff.export.to_tflite(model, tmp_path / "a.tflite", samples=x)
    assert report.agreement == 1.0
    assert length is None or report.delegate_partitions == 1


def test_masked_positions_have_no_part():
    model = model_of(8, 4, masked=True)
    expanded, _ = expand(model)
    *values, mask = samples(8, masked=True)
    changed = [np.where(mask[..., None], x, 9.0) for x in values]
    np.testing.assert_allclose(
        expanded.predict([*changed, mask]),
        expanded.predict([*values, mask]),
        atol=0.03,
    )
    assert np.abs(expanded.predict([*values, mask])[0]).max() < 1e-6


@pytest.mark.parametrize("masked", [False, True])
def test_the_quantized_model_is_close(masked):
    model = model_of(8, 4, masked)
    x = samples(8, masked)
    quantized = keras_eff.calibrate(keras_eff.quantize(model), x)
    expected = model.predict(x)
    error = np.abs(quantized.predict(x) - expected)
    assert error.max() < 0.08 * np.ptp(expected)
    assert keras_eff.coverage(model).floats == {}


def test_what_has_no_integer_form_stays_a_layer():
    for length, call in ((None, {}), (8, {"return_attention_scores": True})):
        expanded, _ = expand(model_of(length, 4, masked=False, **call))
        layers = [type(x).__name__ for x in expanded.layers]
        assert "LocalAttentionPooling" in layers
