import keras
import numpy as np
import pytest
from keras import ops

from keras_eff.layers import TransformedWeights
from keras_eff.layers import WeightFakeQuant

layers = keras.layers
NORMAL = np.random.default_rng(0).normal(size=(4, 6, 6, 3)).astype("float32")
IDS = np.array([[0, 2, 1], [4, 3, 0]])

# The wrapped layer, the step for its weight, and a batch of inputs.
CASES = {
    "Dense": (
        lambda: layers.Dense(2, activation="relu"),
        lambda: WeightFakeQuant(3),
        NORMAL[:, 0, 0],
    ),
    "Conv2D": (
        lambda: layers.Conv2D(4, 3, strides=2, padding="same"),
        lambda: WeightFakeQuant(3),
        NORMAL,
    ),
    "DepthwiseConv2D": (
        lambda: layers.DepthwiseConv2D(3, depth_multiplier=2),
        lambda: WeightFakeQuant(3, (-2, -1)),
        NORMAL,
    ),
    "Embedding": (
        lambda: layers.Embedding(5, 2),
        lambda: WeightFakeQuant(3, (), weight_name="embeddings"),
        IDS,
    ),
}


def each_case(*names):
    chosen = {name: CASES[name] for name in names or CASES}
    return pytest.mark.parametrize(
        "make_layer, make_step, x", chosen.values(), ids=chosen
    )


def values(weights):
    return [ops.convert_to_numpy(weight).copy() for weight in weights]


def twin_of(layer, x, weights):
    """A layer of the same config, called once and given weights."""
    twin = type(layer).from_config(layer.get_config())
    twin(x)
    twin.set_weights(weights)
    return twin


def wrapped(layer, step, x):
    wrapper = TransformedWeights(layer, [step])
    wrapper(x)
    return wrapper


@each_case("Dense", "DepthwiseConv2D", "Embedding")
def test_contract(make_layer, make_step, x, contract):
    contract(
        lambda: TransformedWeights(make_layer(), [make_step()]),
        x.shape[1:],
        "int32" if x is IDS else "float32",
    )


@each_case()
def test_it_equals_its_twin_with_the_weight_replaced(make_layer, make_step, x):
    layer, step = make_layer(), make_step()
    outputs = wrapped(layer, step, x)(x)
    kernel, *others = values(layer.weights)
    seen = ops.convert_to_numpy(step(kernel))
    assert not np.allclose(seen, kernel)
    twin = twin_of(layer, x, [seen, *others])
    np.testing.assert_allclose(*values([outputs, twin(x)]), rtol=1e-5)


@pytest.mark.parametrize(
    "options", [{}, {"jit_compile": True}, {"run_eagerly": True}]
)
def test_training_moves_the_raw_weight_by_the_gradient_of_the_seen_one(
    options, steps
):
    chain = [WeightFakeQuant(3), steps.Mask()]
    dense = layers.Dense(2, use_bias=False)
    model = keras.Sequential(
        [keras.Input((3,)), TransformedWeights(dense, chain)]
    )
    model.compile(keras.optimizers.SGD(0.5), "mse", **options)
    mask = np.float32([[1, 0], [1, 1], [0, 1]])
    chain[1].mask.assign(mask)
    before = values([dense.kernel])[0]
    seen = ops.convert_to_numpy(chain[0](before * mask))
    x, y = NORMAL[:, 0, 0], NORMAL[:, 0, 1, :2]
    model.fit(x, y, batch_size=4, verbose=0)
    expected = before - 0.5 * mask * (x.T @ (2 * (x @ seen - y) / y.size))
    after = values([dense.kernel])[0]
    np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-6)
    seen = values(model.layers[0].transformed_variables())[0]
    assert (seen[mask == 0] == 0.0).all()


def normalizing_model(steps, wraps):
    """Batch norm after a layer with each kind of loss, twice, or its twin."""
    model = keras.Sequential([keras.Input((3,))])
    for _ in range(2):
        dense = layers.Dense(
            3, kernel_regularizer="l2", activity_regularizer="l1"
        )
        norm = layers.BatchNormalization(momentum=0.5)
        if wraps:
            dense = TransformedWeights(dense, [steps.Mask()])
            norm = TransformedWeights(norm, [steps.Mask(weight_name="gamma")])
        model.add(dense)
        model.add(layers.ActivityRegularization(l1=0.1))
        model.add(norm)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


def test_losses_and_statistics_are_those_of_the_twin(steps):
    x = NORMAL[:, 0, 0]
    twin, model = (normalizing_model(steps, wraps) for wraps in (False, True))
    for layer, other in zip(model.layers, twin.layers, strict=True):
        inner = getattr(layer, "layer", layer)
        inner.set_weights(other.get_weights())
    model(x), twin(x)
    ours, theirs = (sorted(values(m.losses)) for m in (model, twin))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    ours, theirs = (
        m.fit(x, x, batch_size=2, shuffle=False, verbose=0).history["loss"]
        for m in (model, twin)
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    ours = values(model.layers[-1].layer.weights)
    theirs = values(twin.layers[-1].weights)
    assert not np.allclose(theirs[2], 0.0)
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("wraps", [False, True])
def test_stateless_call_reports_each_loss_once(wraps):
    model = keras.Sequential([keras.Input((3,))])
    for _ in range(9):
        layer = layers.Dense(3, activity_regularizer="l1")
        model.add(TransformedWeights(layer, []) if wraps else layer)
        model.add(layers.ActivityRegularization(l1=0.1))
    variables = values(model.trainable_variables)
    x = NORMAL[:, 0, 0]
    *_, losses = model.stateless_call(variables, [], x, return_losses=True)
    assert len(losses) == 18


class Measuring(layers.Layer):
    """A Dense that drops, and has a metric and a loss of its own."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(4)
        self.dropout = layers.Dropout(0.5, seed=1)
        self.mean = keras.metrics.Mean()

    def call(self, inputs, training=False):
        outputs = self.dense(inputs)
        if keras.backend.backend() != "jax":
            # There, Keras itself loses the metrics of a layer in `fit`.
            self.mean.update_state(outputs)
        self.add_loss(ops.sum(outputs))
        return self.dropout(outputs, training=training)


def test_a_layer_without_build_keeps_its_metrics_seeds_and_losses():
    layer = Measuring()
    step = WeightFakeQuant(weight_name="dense.kernel")
    model = keras.Sequential(
        [keras.Input((3,)), TransformedWeights(layer, [step])]
    )
    x = NORMAL[:, 0, 0]
    first, second = values(model(x, training=True) for _ in range(2))
    assert not np.array_equal(first == 0, second == 0)
    first, second = values(model(x, training=False) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert values(model.losses) == [pytest.approx(first.sum(), rel=1e-5)]
    if keras.backend.backend() != "jax":
        mean = float(layer.mean.result())
        assert mean == pytest.approx(first.mean(), rel=1e-5)
    model.compile(keras.optimizers.SGD(0.0))
    seed = values([layer.dropout.seed_generator.state])[0]
    history = model.fit(x, batch_size=4, verbose=0).history
    assert history["loss"] == [pytest.approx(first.sum(), rel=1e-5)]
    after = values([layer.dropout.seed_generator.state])[0]
    assert not np.array_equal(seed, after)


def test_masks_reach_the_layer_and_its_readers(masked_mean):
    masked_mean(TransformedWeights(layers.Dense(3), [WeightFakeQuant()]))
    embedding, lstm = layers.Embedding(5, 2, mask_zero=True), layers.LSTM(2)
    embedded = TransformedWeights(embedding, [])(IDS)
    outputs = TransformedWeights(lstm, [])(embedded)
    unmasked = lstm(*values([embedded]))
    np.testing.assert_allclose(*values([outputs, lstm(embedding(IDS))]), 1e-5)
    assert not np.allclose(*values([outputs, unmasked]))
    mask = TransformedWeights(embedding, []).compute_mask(IDS, None)
    np.testing.assert_array_equal(*values([mask]), IDS != 0)


@pytest.mark.parametrize("layer", [layers.Flatten, layers.ReLU])
def test_masks_end_where_the_layer_does_not_support_them(layer):
    wrapper = TransformedWeights(layer(), [])
    assert wrapper.supports_masking == layer().supports_masking


def test_replicas_have_the_same_weight_after_a_step(on_two_replicas):
    first, second = on_two_replicas["kernel"]
    assert first == second
    alone = on_two_replicas["kernel_alone"]
    np.testing.assert_allclose(first, alone, rtol=1e-5)
    assert not np.allclose(first, np.eye(2))


def test_attributes_are_read_through():
    activity = keras.regularizers.L1(0.1)
    layer = layers.Dense(2, "relu", activity_regularizer=activity)
    wrapper = wrapped(layer, WeightFakeQuant(), NORMAL[:, 0, 0])
    assert wrapper.kernel is layer.kernel
    assert wrapper.bias is layer.bias
    assert wrapper.units == 2
    assert wrapper.activation is keras.activations.relu
    assert wrapper.activity_regularizer is None
    with pytest.raises(AttributeError, match="no attribute 'filters'"):
        wrapper.filters  # noqa: B018


def test_name_and_trainable_are_those_of_the_layer():
    layer = layers.Dense(2, name="head", trainable=False)
    wrapper = wrapped(layer, WeightFakeQuant(), NORMAL[:, 0, 0])
    assert (wrapper.name, wrapper.trainable) == ("head", False)
    wrapper.trainable = True
    assert len(wrapper.trainable_weights) == len(layer.trainable_weights) == 2
    wrapper.trainable = False
    assert not wrapper.trainable_weights
    assert not layer.trainable_weights
    assert len(wrapper.non_trainable_weights) == 2


def test_a_built_layer_keeps_its_weights():
    layer = layers.Dense(2)
    x = NORMAL[:, 0, 0]
    layer(x)
    before = values(layer.weights)
    wrapper = wrapped(layer, WeightFakeQuant(), x)
    for weight, value in zip(values(wrapper.weights), before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_input_is_checked_as_by_the_layer():
    wrapper = wrapped(layers.Dense(2), WeightFakeQuant(), NORMAL[:, 0, 0])
    with pytest.raises(ValueError, match="to have value 3"):
        wrapper(keras.Input((5,)))


@pytest.mark.parametrize(
    "layer, weight",
    [
        (layers.Dense(2), "gamma"),
        (layers.Dense(2), "activation"),
        (layers.Dense(2, use_bias=False), "bias"),
        (layers.Dense(2), "cell.kernel"),
    ],
)
def test_the_layer_must_have_the_weight(layer, weight):
    wrapper = TransformedWeights(layer, [WeightFakeQuant(weight_name=weight)])
    message = f"has no weight '{weight}' to transform. Received: transforms="
    with pytest.raises(ValueError, match=message):
        wrapper.build((None, 3))


@pytest.mark.parametrize(
    "transforms", [WeightFakeQuant(), [layers.ReLU()], None, ["mask"]]
)
def test_transforms_are_a_list_of_weight_transforms(transforms):
    message = "`transforms` must be a list .* Received: [a-z_]+[.]"
    with pytest.raises(TypeError, match=message):
        TransformedWeights(layers.Dense(2), transforms)


@pytest.mark.parametrize(
    "layer", [3, TransformedWeights(layers.Dense(2), [WeightFakeQuant()])]
)
def test_layer_is_a_layer_that_is_not_wrapped(layer):
    message = "`layer` must be a `keras.layers.Layer`.* Received: [a-z_]+[.]"
    with pytest.raises(TypeError, match=message):
        TransformedWeights(layer, [])


def chained(steps):
    """A built layer with state in three steps, of two weights."""
    chain = [steps.ChannelMask(), steps.LearnedStepSize(), steps.Mask()]
    bias = steps.Mask(weight_name="bias")
    layer = TransformedWeights(layers.Dense(2, name="mine"), [*chain, bias])
    layer.build((None, 3))
    for index, variable in enumerate(layer.variables):
        variable.assign(ops.full(variable.shape, index + 1.0))
    layer.transforms[0].trainable = False
    return layer


def test_a_step_more_leaves_the_state_of_the_others(steps):
    layer = chained(steps)
    longer = layer.with_step(steps.Cluster())
    assert longer is not layer and longer.name == "mine"
    kinds = [type(step).__name__ for step in longer.transforms]
    assert kinds == [
        "Mask",
        "Mask",
        "ChannelMask",
        "Cluster",
        "LearnedStepSize",
    ]
    assert_same_steps(layer, longer)
    shorter = longer.without_step(steps.Mask)
    assert len(shorter.transforms) == 3
    assert_same_steps(shorter, longer)
    one_less = layer.without_step(layer.transforms[0])
    assert len(one_less.transforms) == len(layer.transforms) - 1


def assert_same_steps(first, second):
    """Steps of a class and a weight hold the same in both; the layers too."""
    for old, new in zip(
        first.layer.variables, second.layer.variables, strict=True
    ):
        assert old is not new
        np.testing.assert_array_equal(*values([old, new]))
    held = {(type(s), s.weight_name): s for s in second.transforms}
    for step in first.transforms:
        other = held[type(step), step.weight_name]
        assert other is not step and other.trainable == step.trainable
        for pair in zip(step.variables, other.variables, strict=True):
            np.testing.assert_array_equal(*values(pair))


def test_a_step_of_the_same_class_makes_way_and_another_does_not(steps):
    layer = chained(steps)
    again = layer.with_step(steps.LearnedStepSize(8))
    assert again.transforms[-1].num_bits == 8
    assert len(again.transforms) == len(layer.transforms)
    message = "LearnedStepSize and .*WeightFakeQuant of order=2 .*'kernel'"
    with pytest.raises(ValueError, match=message):
        layer.with_step(WeightFakeQuant())


def test_a_layer_that_is_not_built_takes_steps_too(steps):
    layer = TransformedWeights(layers.Dense(2), [steps.Mask()])
    longer = layer.with_step(WeightFakeQuant(3))
    assert not longer.layer.built
    longer.build((None, 3))
    assert longer.transforms[0].mask.shape == (3, 2)


def test_a_step_gets_its_weight_from_those_before_it(steps):
    layer = chained(steps)
    kernel = 1.0
    for step in layer.transforms[:1] + layer.transforms[2:]:
        found = ops.convert_to_numpy(layer.weight_before(step))
        np.testing.assert_allclose(found, np.full((3, 2), kernel))
        kernel = ops.convert_to_numpy(step(found))


def test_the_grids_are_those_of_last_steps(steps):
    rounding = WeightFakeQuant(3)
    layer = TransformedWeights(
        layers.Dense(2),
        [steps.Mask(), rounding, WeightFakeQuant(4, (), weight_name="bias")],
    )
    layer.build((None, 3))
    layer.transforms[0].mask.assign(np.eye(3)[:, :2])
    layer.bias.assign([1.0, -0.5])
    grids = layer.grids()
    assert [grids[x].num_bits for x in ("kernel", "bias")] == [3, 4]
    seen = values(layer.transformed_variables())
    for name, value in zip(("kernel", "bias"), seen, strict=True):
        np.testing.assert_allclose(grids[name].values, value, rtol=1e-6)
    kind = type("Late", (steps.Mask,), {"order": 3})
    assert set(layer.with_step(kind()).grids()) == {"bias"}
