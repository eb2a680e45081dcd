"""Weight transforms of a user's, between ours, through all techniques."""

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from keras import layers
from keras import ops

import keras_eff
from keras_eff.layers import PruningMask
from keras_eff.layers import TransformedWeights
from keras_eff.layers import WeightFakeQuant
from keras_eff.tflite.execution import execute
from keras_eff.tflite.flatbuffer import parse
from tests.support.steps import ChannelMask
from tests.support.steps import LearnedStepSize

SAMPLES = np.random.default_rng(0).normal(size=(64, 6, 6, 3)).astype("float32")


def chained(layer, *more):
    return TransformedWeights(layer, [LearnedStepSize(4), ChannelMask(), *more])


def make_model(*more):
    """A convolution and two dense layers, two of them with steps."""
    inputs = keras.Input((6, 6, 3))
    conv = layers.Conv2D(8, 3, use_bias=False, name="conv")
    x = layers.BatchNormalization(name="norm")(chained(conv, *more)(inputs))
    x = layers.Flatten()(layers.ReLU()(x))
    x = chained(layers.Dense(12, "relu", name="hidden"))(x)
    model = keras.Model(inputs, layers.Dense(4, name="head")(x))
    scales = np.linspace(0.02, 0.2, 8)
    model.get_layer("conv").transforms[1].scale.assign(scales)
    model.get_layer("conv").transforms[0].mask.assign([1, 0, 1, 1, 1, 0, 1, 1])
    gamma = np.float32([1, 1, -2, 0.5, 1, 1, 1, -1])
    model.get_layer("norm").gamma.assign(gamma)
    return model


def steps_of(model, name="conv"):
    return model.get_layer(name).transforms


def array(tensor):
    return ops.convert_to_numpy(tensor)


def assert_same_state(old, new):
    """The user's steps are there, and hold what they did."""
    for name in ("conv", "hidden"):
        for kind in (ChannelMask, LearnedStepSize):
            states = [
                [array(v) for v in step.variables]
                for model in (old, new)
                for step in steps_of(model, name)
                if isinstance(step, kind)
            ]
            assert len(states) == 2 and len(states[0]) == 1
            np.testing.assert_array_equal(*states)


def test_quantize_keeps_them_the_first_time_and_the_second():
    model = make_model()
    quantized = keras_eff.quantize(model, 8)
    again = keras_eff.quantize(quantized, 3)
    for new in (quantized, again):
        assert_same_state(model, new)
        kinds = [type(step) for step in steps_of(new)]
        assert kinds == [ChannelMask, LearnedStepSize]
    (step,) = steps_of(again, "head")
    assert isinstance(step, WeightFakeQuant) and step.num_bits == 3


def test_prune_puts_its_mask_before_them_and_again_in_its_place(tmp_path):
    model = make_model()
    pruned = keras_eff.prune(model, 0.5, skip=())
    quantized = keras_eff.quantize(keras_eff.prune(pruned, 0.75, skip=()), 4)
    quantized.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for new, sparsity in ((pruned, 0.5), (quantized, 0.75), (loaded, 0.75)):
        assert_same_state(model, new)
        mask, *others = steps_of(new)
        assert isinstance(mask, PruningMask) and len(others) == 2
        assert mask.sparsity == pytest.approx(sparsity)
    np.testing.assert_array_equal(
        array(loaded(SAMPLES)), array(quantized(SAMPLES))
    )


def test_strip_refuses_them_by_name():
    with pytest.raises(ValueError, match=r"tests.support.steps.ChannelMask"):
        keras_eff.strip(keras_eff.prune(make_model(), 0.5, skip=()))


def test_their_state_is_cut_along_with_the_channels():
    model = make_model()
    smaller = keras_eff.remove_channels(model, 0.25)
    for name in ("conv", "hidden"):
        old, new = model.get_layer(name), smaller.get_layer(name)
        kept = [
            index
            for index in range(old.kernel.shape[-1])
            for column in range(new.kernel.shape[-1])
            if old.kernel.shape[:-1] == new.kernel.shape[:-1]
            and np.array_equal(
                array(old.kernel)[..., index], array(new.kernel)[..., column]
            )
        ]
        count = new.kernel.shape[-1]
        assert count < old.kernel.shape[-1]
        for before, after in zip(old.transforms, new.transforms, strict=True):
            (before,), (after,) = before.variables, after.variables
            assert after.shape == (count,)
            if kept:
                np.testing.assert_array_equal(array(after), array(before)[kept])


class Unfollowed(ChannelMask):
    """One that does not tell its axes."""

    def state_axes(self, variable):
        return (None,)


def test_a_step_whose_state_cannot_follow_is_named():
    inputs = keras.Input((8,))
    dense = TransformedWeights(layers.Dense(8, name="dense"), [Unfollowed()])
    model = keras.Model(inputs, layers.Dense(2, name="head")(dense(inputs)))
    message = r"'dense' cannot lose.*`Unfollowed.state_axes`.*shape \(8,\)"
    with pytest.raises(ValueError, match=message):
        keras_eff.remove_channels(model, 0.5)


def kernels_in(path):
    """Dict from the number of channels to integers and types of kernels."""
    file, found = parse(path.read_bytes()), {}
    for tensor in file.subgraphs[0].tensors:
        stored = file.buffers[tensor.buffer].data
        if stored is None or len(tensor.shape) < 2:
            continue
        values = stored.view(np.int8).astype(int)
        if tensor.type == schema.TensorType.INT4:
            halves = np.stack([stored & 15, stored >> 4], -1).ravel()
            values = (halves.astype(int) ^ 8) - 8
        rows = values.reshape(tensor.shape[0], -1)
        found[len(rows)] = (rows, tensor.type)
    return found


@pytest.mark.parametrize(
    "name, steps, kind",
    [
        (None, 127 // 7, schema.TensorType.INT8),
        ("int4", 1, schema.TensorType.INT4),
    ],
    ids=["int8", "int4"],
)
def test_the_file_holds_the_integers_that_they_tell(
    name, steps, kind, tmp_path
):
    quantized = keras_eff.quantize(make_model(), 8)
    keras_eff.calibrate(quantized, SAMPLES, verbose=0)
    path = tmp_path / "model.tflite"
    keras_eff.export.to_tflite(
        quantized, path, name, SAMPLES, min_agreement=0.0
    )
    found = kernels_in(path)
    for layer, channels in (("conv", 8), ("hidden", 12)):
        (grid,) = quantized.get_layer(layer).grids().values()
        rows = np.moveaxis(grid.integers, -1, 0).reshape(channels, -1)
        # Not all channels reach the end of the grid.
        assert len(np.unique(np.abs(rows).max(axis=1))) > 1
        if layer == "conv":
            turned = array(quantized.get_layer("norm").gamma) < 0
            rows = np.where(turned[:, None], -rows, rows)
        np.testing.assert_array_equal(found[channels][0], rows * steps)
        assert found[channels][1] == kind


@pytest.mark.parametrize(
    "name, kind",
    [("weight_only_int8", "int8"), ("weight_only_int4", "int4")],
)
def test_a_file_of_rounded_weights_holds_them_too(name, kind, tmp_path):
    conv = chained(layers.Conv2D(16, 3, use_bias=False, name="conv"))
    norm = layers.BatchNormalization(gamma_initializer="random_normal")
    model = keras.Sequential([keras.Input((6, 6, 3)), conv, norm])
    report = keras_eff.export.to_tflite(
        model, tmp_path / "model.tflite", name, SAMPLES
    )
    assert report.weight_bytes.keys() == {kind}
    assert report.max_abs_error < 1e-4


@pytest.mark.parametrize("name", [None, "int4"], ids=["int8", "int4"])
def test_the_file_is_0_00_steps_off(name, tmp_path):
    dense = chained(layers.Dense(4, name="dense"))
    model = keras.Sequential([keras.Input((16,)), dense])
    quantized = keras_eff.quantize(model)
    samples = SAMPLES.reshape(-1, 16)
    keras_eff.calibrate(quantized, samples, verbose=0)
    path = tmp_path / "model.tflite"
    keras_eff.export.to_tflite(quantized, path, name, samples)
    (grid,) = quantized.get_layer("dense").grids().values()
    assert np.abs(grid.integers).max(axis=0).min() < 7
    execution = execute(path, [samples])
    difference = execution.delegate[0] - array(quantized(samples))
    assert np.abs(difference).mean() < 0.001 * execution.output_scales[0]
