import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_eff
from keras_eff.callbacks import PruningScheduler
from keras_eff.layers import PrunableDense
from keras_eff.layers import PruningMask
from keras_eff.layers import TransformedWeights
from keras_eff.layers import WeightFakeQuant
from keras_eff.layers.cloning import layers_of
from keras_eff.pruning.prune import prune
from keras_eff.schedules import ConstantSparsity
from keras_eff.schedules import PolynomialDecay

IMAGE = (8, 8, 3)

# What the default leaves dense is much of a tiny model.
pytestmark = pytest.mark.filterwarnings("ignore:prune:UserWarning")


def functional(function, *shapes):
    inputs = [keras.Input(shape) for shape in shapes]
    outputs = function(*inputs)
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs)


def convnet():
    def block(x):
        x = layers.Conv2D(4, 3, name="stem")(x)
        x = layers.BatchNormalization(name="norm")(x)
        x = layers.ReLU()(layers.DepthwiseConv2D(3, name="depthwise")(x))
        x = layers.Conv2D(8, 1, activation="relu", name="conv")(x)
        x = layers.Dense(6, name="mlp")(layers.GlobalAveragePooling2D()(x))
        return layers.Dense(3, name="head")(x)

    return functional(block, IMAGE)


def nested():
    """Two levels of models, each called twice, and a layer called twice."""
    dense = layers.Dense(4, name="dense")
    inner = keras.Sequential([keras.Input((4,)), dense], name="inner")
    middle = functional(lambda x: dense(inner(x) + inner(3 - x)), (4,))
    middle.name = "middle"
    head = layers.Dense(2, name="head")
    return functional(lambda a, b: head(middle(a) - middle(b)), (4,), (4,))


def samples(model):
    generator = np.random.default_rng(0)
    arrays = [
        generator.normal(size=(8, *x.shape[1:])).astype("float32")
        for x in model.inputs
    ]
    return arrays if len(arrays) > 1 else arrays[0]


def values(variables):
    return [ops.convert_to_numpy(v) for v in variables]


def assert_equal(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def outputs(model, x):
    return ops.convert_to_numpy(model(x))


def pruned_names(model):
    return [
        layer.name
        for layer in layers_of(model, TransformedWeights)
        if layers_of(layer, PruningMask)
    ]


def chains(model):
    return [
        [type(step) for step in layer.transforms]
        for layer in layers_of(model, TransformedWeights)
    ]


def shares(model):
    return {w.name: w.sparsity for w in keras_eff.sparsity(model).weights}


def train(model, *callbacks, epochs=2):
    x = samples(model)
    y = np.ones(model.compute_output_shape((8, *model.input_shape[1:])))
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    model.fit(x, y, 4, epochs, callbacks=list(callbacks), verbose=0)
    return model


def test_by_default_the_first_convolution_and_the_last_layer_stay_dense():
    assert pruned_names(prune(convnet())) == ["depthwise", "conv", "mlp"]
    model = keras.Sequential(
        [keras.Input((8,)), layers.Dense(4, name="a"), layers.Dense(2)]
    )
    assert pruned_names(prune(model)) == ["a"]


@pytest.mark.parametrize(
    "skip, names",
    [
        ((), ["stem", "depthwise", "conv", "mlp", "head"]),
        ("mlp", ["stem", "depthwise", "conv", "head"]),
        (layers.Conv2D, ["depthwise", "mlp", "head"]),
        (lambda layer: "m" in layer.name, ["depthwise", "conv", "head"]),
        (["stem", layers.Dense], ["depthwise", "conv"]),
    ],
)
def test_skip_chooses_what_stays_dense(skip, names):
    assert pruned_names(prune(convnet(), skip=skip)) == names


@pytest.mark.parametrize("make", [convnet, nested])
def test_the_clone_computes_what_the_model_does(make):
    model = make()
    x = samples(model)
    pruned = prune(model, skip=())
    np.testing.assert_array_equal(outputs(pruned, x), outputs(model, x))
    assert not pruned.compiled
    assert pruned.name == model.name


@pytest.mark.parametrize("make", [convnet, nested])
def test_the_model_is_left_as_it_was(make):
    model = make()
    x = samples(model)
    before, weights = outputs(model, x), values(model.weights)
    nodes = [len(op._inbound_nodes) for op in model.operations]
    prune(model, 0.5, skip=())
    np.testing.assert_array_equal(outputs(model, x), before)
    assert_equal(values(model.weights), weights)
    assert [len(op._inbound_nodes) for op in model.operations] == nodes


@pytest.mark.parametrize("make", [convnet, nested])
def test_a_number_prunes_at_once(make):
    model = make()
    pruned = prune(model, 0.5, skip=())
    assert set(shares(pruned).values()) == {0.5}
    originals = {layer.name: layer for layer in layers_of(model, layers.Layer)}
    for layer in layers_of(pruned, TransformedWeights):
        (step,) = layer.transforms
        kept = ops.convert_to_numpy(step.mask)
        stored = ops.convert_to_numpy(layer.variable_of(step))
        kernel = ops.convert_to_numpy(originals[layer.name].kernel)
        np.testing.assert_array_equal(stored, np.where(kept, kernel, 0))
        assert np.abs(kernel[kept]).min() >= np.abs(kernel[~kept]).max()
        assert step.schedule == ConstantSparsity(0.5)


def test_what_is_shared_stays_shared():
    model = nested()
    pruned = prune(model, 0.5)
    assert pruned_names(pruned) == ["dense"]
    assert len(pruned.trainable_weights) == len(model.trainable_weights)
    inner = pruned.get_layer("middle").get_layer("inner")
    shared = pruned.get_layer("middle").get_layer("dense")
    assert inner.get_layer("dense") is shared


def test_the_scheduler_prunes_the_clone():
    pruned = train(prune(convnet()), PruningScheduler(ConstantSparsity(0.5), 2))
    expected = {"stem": 0, "depthwise": 0.5, "conv": 0.5, "mlp": 0.5, "head": 0}
    assert shares(pruned) == pytest.approx(expected, abs=0.02)


def test_a_schedule_goes_to_each_mask():
    schedule = PolynomialDecay(0.0, 0.5, 0, 4)
    pruned = prune(convnet(), schedule, block_shape=(2, 1))
    masks = layers_of(pruned, PruningMask)
    assert {mask.schedule for mask in masks} == {schedule}
    assert {mask.block_shape for mask in masks} == {(2, 1)}
    assert not any(mask.sparsity for mask in masks)
    train(pruned, PruningScheduler(interval=2))
    found = [mask.sparsity for mask in masks]
    np.testing.assert_allclose(found, 0.5, atol=0.06)


def test_two_of_four():
    pruned = prune(convnet(), 0.5, pattern="2:4", skip="stem")
    kernel = ops.convert_to_numpy(pruned.get_layer("conv").kernel)
    assert ((kernel != 0).reshape(4, 8).sum(axis=0) == 2).all()


@pytest.mark.parametrize(
    "layer, shape, axes",
    [
        (layers.Embedding(6, 4), (3,), (0,)),
        (layers.Conv1DTranspose(4, 3), (5, 2), (0, 2)),
        (layers.Conv2DTranspose(4, 3), (5, 5, 2), (0, 1, 3)),
        (layers.Conv2D(4, 3), (5, 5, 2), (0, 1, 2)),
        (layers.Conv1D(4, 3), (5, 2), (0, 1)),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), (5, 5, 2), (0, 1)),
        (layers.DepthwiseConv1D(3, depth_multiplier=2), (5, 2), (0,)),
        (layers.Dense(4), (2,), (0,)),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_channels_are_those_of_the_outputs(layer, shape, axes):
    pruned = prune(
        keras.Sequential([keras.Input(shape), layer]),
        0.5,
        pattern="channel",
        skip=(),
    )
    (step,) = layers_of(pruned, PruningMask)
    mask = ops.convert_to_numpy(step.mask)
    channels = mask.any(axis=axes)
    assert channels.size == 4 and channels.sum() == 2
    np.testing.assert_array_equal(mask.all(axis=axes), channels)


def test_to_prune_twice_keeps_the_masks():
    once = prune(convnet(), 0.5)
    twice = prune(once, PolynomialDecay(0.5, 0.75, 0, 4))
    assert chains(twice) == chains(once)
    assert_equal(values(twice.weights), values(once.weights))
    more = prune(once, 0.75)
    for a, b in zip(
        layers_of(once, PruningMask), layers_of(more, PruningMask), strict=True
    ):
        before, after = values([a.mask, b.mask])
        assert not (after & ~before).any()
        assert b.sparsity == pytest.approx(0.75, abs=0.02)


def test_what_is_skipped_keeps_its_mask():
    once = prune(convnet(), 0.5, skip=())
    twice = prune(once, 0.75)
    assert shares(twice)["head"] == shares(twice)["stem"] == 0.5


def test_a_prunable_layer_keeps_its_mask():
    model = keras.Sequential([keras.Input((8,)), PrunableDense(4)])
    PruningScheduler(ConstantSparsity(0.5)).apply(model)
    pruned = prune(model, skip=())
    assert chains(pruned) == [[PruningMask]]
    x = samples(model)
    np.testing.assert_array_equal(outputs(pruned, x), outputs(model, x))
    assert set(shares(pruned).values()) == {0.5}


def pruned_then_quantized(model):
    return keras_eff.quantize(prune(model, 0.5, skip=()))


def quantized_then_pruned(model):
    return prune(keras_eff.quantize(model), 0.5, skip=())


BOTH = pytest.mark.parametrize(
    "both", [pruned_then_quantized, quantized_then_pruned]
)


@BOTH
def test_masks_come_before_rounding_in_either_order(both):
    model = convnet()
    found = both(model)
    assert chains(found) == [[PruningMask, WeightFakeQuant]] * 5
    assert set(shares(found).values()) == {0.5}
    assert_equal(
        values(layers_of(found, TransformedWeights)[0].layer.weights),
        values(prune(model, 0.5, skip=()).get_layer("stem").layer.weights),
    )


@BOTH
def test_zeros_stay_zero_in_training_and_in_the_int8_file(both, tmp_path):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("a file is written by TensorFlow")
    from keras_eff.tflite import flatbuffer

    model = both(convnet())
    masks = {
        layer.name: ops.convert_to_numpy(layer.transforms[0].mask)
        for layer in layers_of(model, TransformedWeights)
    }
    trained = train(keras_eff.calibrate(model, samples(model)))
    for layer in layers_of(trained, TransformedWeights):
        seen = ops.convert_to_numpy(layer.transformed_variables()[0])
        assert (seen[~masks[layer.name]] == 0).all()
    path = tmp_path / "model.tflite"
    keras_eff.export.to_tflite(trained, path, samples=samples(trained))
    file = flatbuffer.parse(path.read_bytes())
    kernels = [
        np.frombuffer(bytes(file.buffers[tensor.buffer].data), "int8")
        for tensor in file.subgraphs[0].tensors
        if flatbuffer.is_constant(file, tensor)
        and tensor.type == 9
        and len(tensor.shape) > 1
    ]
    assert sorted(k.size for k in kernels) == sorted(
        mask.size for mask in masks.values()
    )
    for kernel in kernels:
        # Rounding makes some more.
        assert 0.5 <= np.mean(kernel == 0) < 0.7


@BOTH
def test_a_file_restores_masks_and_predictions(both, tmp_path):
    model = keras_eff.calibrate(both(convnet()), samples(convnet()))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = samples(model)
    np.testing.assert_array_equal(outputs(loaded, x), outputs(model, x))
    assert_equal(values(loaded.weights), values(model.weights))
    assert shares(loaded) == shares(model)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"schedule": 1.0}, r"\[0, 1\) .*Received: schedule=1.0"),
        ({"pattern": "4:2"}, "`pattern` must be .*pattern='4:2'"),
        ({"block_shape": (0, 1)}, "`block_shape.0.` .*block_shape.0.=0"),
        (
            {"schedule": 0.75, "pattern": "2:4"},
            "'2:4' prunes a share of at most 0.5: .*sparsity=0.75",
        ),
        ({"skip": "nothing"}, "`skip` names a layer .*'nothing'"),
        ({"skip": layers.Layer}, "no layer to prune: .*skip="),
    ],
    ids=str,
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        prune(convnet(), **arguments)


def test_a_schedule_is_a_number_or_a_function():
    with pytest.raises(ValueError, match="`schedule` .*schedule='half'"):
        prune(convnet(), "half")


def test_a_subclassed_model_is_refused():
    class Subclassed(keras.Model):
        pass

    with pytest.raises(ValueError, match="`keras_eff.prune` needs"):
        prune(Subclassed())


def test_a_model_of_another_library_is_refused():
    with pytest.raises(TypeError, match="keras_eff.prune"):
        prune(object())


def test_a_prunable_layer_keeps_its_schedule_unless_it_gets_another():
    first, second = ConstantSparsity(0.5), ConstantSparsity(0.8)
    model = keras.Sequential([keras.Input((4,)), PrunableDense(3, first)])
    found = [
        prune(model, schedule, skip=()).layers[-1].transforms[0].schedule
        for schedule in (None, second)
    ]
    assert found == [first, second]
