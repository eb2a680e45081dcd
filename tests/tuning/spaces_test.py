import keras
import keras_tuner
import numpy as np
import pytest

import keras_eff
from keras_eff.tuning import spaces


@pytest.fixture
def hp():
    return keras_tuner.HyperParameters()


@pytest.fixture
def with_values():
    """Hyperparameters that are set to values."""

    def make(**values):
        hp = keras_tuner.HyperParameters()
        hp.values = dict(values)
        return hp

    return make


@pytest.mark.parametrize(
    ("multiplier", "channels"), [(0.25, 8), (0.35, 16), (1.0, 40), (1.4, 56)]
)
def test_widths_are_multiples_of_8(with_values, multiplier, channels):
    assert spaces.width(with_values(width=multiplier), 40) == channels


def test_one_multiplier_serves_all_layers(hp):
    assert [spaces.width(hp, n) for n in (16, 32)] == [16, 32]
    assert [x.name for x in hp.space] == ["width"]


@pytest.mark.parametrize(("multiplier", "blocks"), [(0.5, 1), (1.5, 3)])
def test_there_is_a_block_at_least(with_values, multiplier, blocks):
    hp = with_values(depth=multiplier)
    assert spaces.depth(hp, 2) == blocks
    assert spaces.depth(hp, 1, multipliers=(0.5, 1.5)) >= 1


def test_a_multiplier_of_1_need_not_be_there(hp):
    assert spaces.width(hp, 64, multipliers=(0.5, 0.75)) == 32


@pytest.mark.parametrize("kind", ["convolution", "separable"])
def test_both_kinds_of_convolution_have_the_same_shape(with_values, kind):
    hp = with_values(a_kind=kind, a_kernel_size=5)
    inputs = keras.Input((16, 16, 3))
    block = spaces.convolution(hp, "a", 24, strides=2)
    assert block(inputs).shape == (None, 8, 8, 24)
    is_separable = isinstance(block, keras_eff.layers.DepthwiseSeparable)
    assert is_separable == (kind == "separable")
    edges = {w.shape[0] for w in block.weights if len(w.shape) == 4}
    assert 5 in edges


def test_a_searched_model_quantizes_without_float_tensors(hp, tmp_path):
    inputs = x = keras.Input((8, 8, 3))
    for stage in range(2):
        x = spaces.convolution(hp, f"stage_{stage}", 8)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    samples = np.random.default_rng(0).standard_normal((8, 8, 8, 3), "float32")
    report = keras_eff.export.to_tflite(
        model, tmp_path / "m.tflite", "int8", samples
    )
    assert report.float_tensors == ()


def test_targets_stay_within_their_bounds(hp):
    sparsity = spaces.sparsity(hp, low=0.6)
    temperature = spaces.temperature(hp, low=2.0)
    assert 0.6 <= sparsity <= 0.95 and 2.0 <= temperature <= 16.0
    bounds = {x.name: x for x in hp.space}
    assert bounds["sparsity"].step == 0.05
    assert bounds["temperature"].sampling == "log"


def test_each_layer_has_a_width_of_its_own(hp):
    assert spaces.num_bits(hp, ["a", "b"]) == {"a": 8, "b": 8}
    assert [x.values for x in hp.space] == [[4, 8], [4, 8]]
