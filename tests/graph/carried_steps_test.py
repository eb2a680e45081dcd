import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_eff
from keras_eff.layers import PruningMask
from keras_eff.layers import WeightFakeQuant
from keras_eff.quantization.expansion import expand


def attention(inputs):
    return layers.MultiHeadAttention(2, 4, name="attention")(inputs, inputs)


def separable(inputs):
    return layers.SeparableConv1D(
        4, 3, depth_multiplier=2, activation="gelu", name="separable"
    )(inputs)


@pytest.mark.filterwarnings("ignore:prune:UserWarning")
@pytest.mark.parametrize("pattern", ["unstructured", "channel"])
@pytest.mark.parametrize("part, count", [(attention, 4), (separable, 2)])
def test_the_parts_of_a_layer_keep_its_masks(part, count, pattern, tmp_path):
    inputs = keras.Input((6, 8))
    model = keras.Model(inputs, part(inputs))
    x = np.random.default_rng(0).normal(size=(4, 6, 8)).astype("float32")
    schedule = keras_eff.schedules.ConstantSparsity(0.5)
    pruned = keras_eff.prune(model, 0.5, pattern=pattern, skip=())
    expanded, _ = expand(pruned)
    expected, found = map(ops.convert_to_numpy, (pruned(x), expanded(x)))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    quantized = keras_eff.quantize(pruned)
    chains = [
        layer.transforms
        for layer in quantized.layers
        if hasattr(layer, "transforms")
    ]
    assert len(chains) == count
    for mask, rounding in chains:
        assert isinstance(mask, PruningMask)
        assert isinstance(rounding, WeightFakeQuant)
        assert mask.schedule == schedule and mask.sparsity == 0.5
    quantized.compile("adam", "mse", jit_compile=False)
    scheduler = keras_eff.callbacks.PruningScheduler(interval=1)
    quantized.fit(x, expected, verbose=0, callbacks=[scheduler])
    quantized.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    shares = [w.sparsity for w in keras_eff.sparsity(loaded).weights]
    assert len(shares) == count and min(shares) >= 0.5
