import inspect

import keras
import numpy as np
import pytest
from keras import ops

from keras_eff.layers import DepthwiseSeparable

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
BARE = {
    "normalization": None,
    "activation": None,
    "depthwise_steps": ("convolution",),
    "pointwise_steps": ("convolution",),
}
XCEPTION = {
    "depthwise_steps": ("activation", "convolution"),
    "pointwise_steps": ("convolution", "normalization"),
}
# (shape of a sample, the layer of Keras that convolves alike)
RANKS = pytest.mark.parametrize(
    "shape, twin",
    [
        ((9, 3), keras.layers.SeparableConv1D),
        ((9, 8, 3), keras.layers.SeparableConv2D),
    ],
    ids=["1d", "2d"],
)
CONVOLUTIONS = pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3},
        {"kernel_size": 3, "padding": "same"},
        {"kernel_size": 2, "strides": 2},
        {"kernel_size": 3, "strides": 2, "padding": "same"},
        {"kernel_size": 3, "dilation_rate": 2},
        {"kernel_size": 2, "dilation_rate": 2, "padding": "same"},
        {"kernel_size": 1, "depth_multiplier": 2},
    ],
    ids=str,
)
only_jax = pytest.mark.skipif(
    keras.backend.backend() != "jax",
    reason="TensorFlow cannot run channels_first on a CPU",
)


def samples(shape=(9, 8, 3), batch=4):
    generator = np.random.default_rng(0)
    return generator.normal(size=(batch, *shape)).astype("float32")


def made(shape=(9, 8, 3), *args, **options):
    """A layer with every weight far from its first value."""
    layer = DepthwiseSeparable(*(args or (4, 3)), **options)
    layer.build((None, *shape))
    generator = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(generator.uniform(0.2, 1.0, size=weight.shape) - 0.1)
    return layer


def run(layer, x, **options):
    return ops.convert_to_numpy(layer(x, **options))


def kinds(layer):
    return [type(part).__name__ for part in layer.layers]


def chained(layers, weights):
    """The layers one after another, with these weights."""
    model = keras.Sequential([keras.Input((9, 8, 3)), *layers])
    model.set_weights(weights)
    return model


def relu6():
    return keras.layers.Activation("relu6")


@pytest.mark.parametrize("shape", [(9, 3), (9, 8, 3)], ids=["1d", "2d"])
@pytest.mark.parametrize(
    "options",
    [{}, {**XCEPTION, "normalization": "layer", "activation": "elu"}],
    ids=["mobilenet", "xception"],
)
def test_contract(contract, options, shape):
    contract(lambda: DepthwiseSeparable(4, 3, padding="same", **options), shape)


@pytest.mark.parametrize("training", [False, True])
def test_by_default_each_convolution_is_normalized_and_activated(training):
    layer, x = made(), samples()
    twin = chained(
        [
            keras.layers.DepthwiseConv2D(3, use_bias=False),
            keras.layers.BatchNormalization(),
            relu6(),
            keras.layers.Conv2D(4, 1, use_bias=False),
            keras.layers.BatchNormalization(),
            relu6(),
        ],
        layer.get_weights(),
    )
    expected = run(twin, x, training=training)
    assert (expected > 0).any()
    found = run(layer, x, training=training)
    np.testing.assert_allclose(found, expected, **CLOSE)
    pairs = zip(layer.weights, twin.weights, strict=True)
    for found, expected in pairs:
        found, expected = map(ops.convert_to_numpy, (found, expected))
        np.testing.assert_allclose(found, expected, **CLOSE)


@RANKS
def test_bare_it_computes_and_trains_as_its_twin(check_twin, shape, twin):
    def make():
        options = {"kernel_size": 3, "padding": "same", "depth_multiplier": 2}
        return DepthwiseSeparable(4, **options, **BARE, use_bias=False)

    def make_twin():
        return twin(4, 3, padding="same", depth_multiplier=2, use_bias=False)

    check_twin(make, make_twin, shape)


@RANKS
@CONVOLUTIONS
def test_bare_outputs_and_shapes_are_those_of_its_twin(options, shape, twin):
    layer, x = made(shape, 4, **options, **BARE), samples(shape)
    twin = twin(4, **options)
    twin.build(x.shape)
    depthwise, of_depthwise, pointwise, bias = layer.get_weights()
    # The twin has one bias, behind both convolutions.
    layer.layers[0].weights[1].assign(np.zeros(of_depthwise.shape))
    twin.set_weights([depthwise, pointwise, bias])
    expected = run(twin, x)
    np.testing.assert_allclose(run(layer, x), expected, **CLOSE)
    assert layer.compute_output_shape(x.shape) == expected.shape


@RANKS
@CONVOLUTIONS
def test_shapes_are_known_before_it_is_built(options, shape, twin):
    expected = twin(4, **options).compute_output_shape((None, *shape))
    layer = DepthwiseSeparable(4, **options)
    assert layer.compute_output_shape((None, *shape)) == expected
    assert layer(keras.Input(shape)).shape == expected
    assert tuple(layer(samples(shape)).shape) == (4, *expected[1:])


@pytest.mark.parametrize("shape", [(None, 3), (None, None, 3)])
def test_sizes_may_be_unknown(shape):
    outputs = DepthwiseSeparable(4, 3)(keras.Input(shape))
    assert outputs.shape == (None, *shape[:-1], 4)


def test_tuples_are_taken_for_each_dimension():
    layer = made(
        (9, 8, 3), 4, (3, 2), (2, 2), dilation_rate=(1, 1), padding="same"
    )
    assert tuple(layer(samples()).shape) == (4, 5, 4, 4)
    assert layer.weights[0].shape == (3, 2, 3, 1)


@pytest.mark.parametrize("name", ["strides", "dilation_rate"])
def test_a_tuple_goes_with_an_integer_kernel_size(name):
    layer = DepthwiseSeparable(4, 3, **{name: (2, 2)})
    twin = keras.layers.SeparableConv2D(4, 3, **{name: (2, 2)})
    shape = (None, 9, 8, 3)
    expected = twin.compute_output_shape(shape)
    assert layer.compute_output_shape(shape) == expected


def test_the_order_of_xception_is_followed():
    layer, x = made(**XCEPTION), samples()
    twin = chained(
        [
            relu6(),
            keras.layers.DepthwiseConv2D(3),
            keras.layers.Conv2D(4, 1, use_bias=False),
            keras.layers.BatchNormalization(),
        ],
        layer.get_weights(),
    )
    np.testing.assert_allclose(run(layer, x), run(twin, x), **CLOSE)


@pytest.mark.parametrize("half", ["depthwise", "pointwise"])
@pytest.mark.parametrize(
    "steps",
    [
        ("convolution",),
        ("activation", "convolution"),
        ("normalization", "activation", "convolution"),
        ("convolution", "activation", "normalization"),
    ],
)
def test_steps_come_in_the_order_named(half, steps):
    layer = made(**{f"{half}_steps": steps})
    depthwise = half == "depthwise"
    parts = kinds(layer)[: len(steps)] if depthwise else kinds(layer)[3:]
    names = {
        "convolution": "DepthwiseConv2D" if depthwise else "Conv2D",
        "normalization": "BatchNormalization",
        "activation": "Activation",
    }
    assert parts == [names[step] for step in steps]


def test_normalization_may_be_of_each_position():
    layer, x = made(normalization="layer"), samples()
    assert kinds(layer).count("LayerNormalization") == 2
    twin = chained(
        [
            keras.layers.DepthwiseConv2D(3, use_bias=False),
            keras.layers.LayerNormalization(),
            relu6(),
            keras.layers.Conv2D(4, 1, use_bias=False),
            keras.layers.LayerNormalization(),
            relu6(),
        ],
        layer.get_weights(),
    )
    np.testing.assert_allclose(run(layer, x), run(twin, x), **CLOSE)


def test_without_normalization_none_is_made():
    layer = made(normalization=None)
    convolved = ["DepthwiseConv2D", "Activation", "Conv2D", "Activation"]
    assert kinds(layer) == convolved


@pytest.mark.parametrize("activation", ["elu", keras.activations.elu, None])
def test_the_activation_is_that_of_both(activation):
    layer = made(activation=activation)
    expected = keras.activations.get(activation)
    functions = [layer.layers[i].activation for i in (2, 5)]
    assert functions == [expected, expected]


@pytest.mark.parametrize(
    "options, expected",
    [
        ({"use_bias": True}, [True, True]),
        ({"use_bias": False, "normalization": None}, [False, False]),
        ({}, [False, False]),
        ({"normalization": None}, [True, True]),
        ({**XCEPTION}, [True, False]),
        ({"pointwise_steps": ("normalization", "convolution")}, [False, True]),
    ],
)
def test_by_default_what_no_normalization_follows_has_a_bias(options, expected):
    layer = made(**options)
    convolutions = [
        part for part in layer.layers if "Conv" in type(part).__name__
    ]
    assert [part.use_bias for part in convolutions] == expected


def test_batch_normalizations_have_the_momentum():
    layer = made(momentum=0.9)
    again = type(layer).from_config(layer.get_config())
    again.build((None, 9, 8, 3))
    for each in (layer, again):
        assert [each.layers[i].momentum for i in (1, 4)] == [0.9, 0.9]


@pytest.mark.parametrize("momentum", [1.0, -0.1, "high", None])
def test_a_momentum_out_of_range_is_told(momentum):
    with pytest.raises(ValueError, match=r"`momentum` .*\[0, 1\).*Received"):
        DepthwiseSeparable(4, 3, momentum=momentum)


def test_it_takes_fewer_multiplications_than_a_convolution():
    layer = made(use_bias=False, normalization=None)
    depthwise, pointwise = layer.get_weights()
    # Of each channel and position: 3 * 3 + 4, not 3 * 3 * 4.
    assert (depthwise.size + pointwise.size) / 3 == 3**2 + 4


@pytest.mark.parametrize("normalization", ["batch", "layer"])
@pytest.mark.parametrize("shape", [(3, 9), (3, 9, 8)], ids=["1d", "2d"])
def test_channels_may_come_first(shape, normalization):
    layer = made(
        shape, data_format="channels_first", normalization=normalization
    )
    twin = getattr(keras.layers, f"SeparableConv{len(shape) - 1}D")(
        4, 3, data_format="channels_first"
    )
    expected = twin.compute_output_shape((None, *shape))
    assert layer.compute_output_shape((None, *shape)) == expected
    config = layer.get_config()
    assert config["data_format"] == "channels_first"
    formats = [layer.layers[i].data_format for i in (0, 3)]
    assert formats == ["channels_first"] * 2
    for index, channels in ((1, 3), (4, 4)):
        assert layer.layers[index].axis in (1, [1], (1,))
        assert layer.layers[index].weights[0].shape == (channels,)


@only_jax
@pytest.mark.parametrize("shape", [(9, 3), (9, 8, 3)], ids=["1d", "2d"])
def test_channels_first_are_channels_last_transposed(shape):
    last = made(shape)
    first = made((3, *shape[:-1]), data_format="channels_first")
    x = samples(shape)
    found = np.moveaxis(run(first, np.moveaxis(x, -1, 1)), 1, -1)
    np.testing.assert_allclose(found, run(last, x), **CLOSE)


def test_the_data_format_is_by_default_that_of_keras():
    assert DepthwiseSeparable(4, 3).data_format == "channels_last"
    keras.config.set_image_data_format("channels_first")
    try:
        assert DepthwiseSeparable(4, 3).data_format == "channels_first"
    finally:
        keras.config.set_image_data_format("channels_last")


def test_arguments_of_the_kernels_reach_them():
    layer = DepthwiseSeparable(
        4,
        3,
        depthwise_initializer="ones",
        pointwise_initializer=keras.initializers.Constant(2.0),
        depthwise_regularizer=keras.regularizers.L2(0.5),
        pointwise_constraint="non_neg",
        normalization=None,
    )
    clone = DepthwiseSeparable.from_config(layer.get_config())
    assert clone.get_config() == layer.get_config()
    clone.build((None, 9, 8, 3))
    depthwise, _, pointwise, _ = clone.weights
    assert (ops.convert_to_numpy(depthwise) == 1).all()
    assert (ops.convert_to_numpy(pointwise) == 2).all()
    assert isinstance(pointwise.constraint, keras.constraints.NonNeg)
    (loss,) = clone.losses
    assert float(loss) == pytest.approx(0.5 * 3 * 3 * 3)


def test_every_argument_is_in_the_config():
    options = {
        "strides": 2,
        "depth_multiplier": 2,
        "padding": "same",
        "data_format": "channels_first",
        "dilation_rate": 1,
        "activation": "elu",
        "normalization": "layer",
        "depthwise_steps": ("activation", "convolution"),
        "pointwise_steps": ("convolution", "normalization"),
        "use_bias": True,
    }
    layer = DepthwiseSeparable(4, (3, 2), **options)
    config = layer.get_config()
    assert options.items() <= config.items()
    parameters = inspect.signature(DepthwiseSeparable).parameters
    assert set(parameters) - {"kwargs"} <= set(config)
    clone = DepthwiseSeparable.from_config(config)
    assert clone.get_config() == config


def test_a_file_keeps_tuples_and_functions(tmp_path):
    options = {**XCEPTION, "depthwise_initializer": "ones"}
    layer = DepthwiseSeparable(4, (3, 2), activation="elu", **options)
    model = keras.Sequential([keras.Input((9, 8, 3)), layer])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].depthwise_steps == layer.depthwise_steps
    x = samples()
    np.testing.assert_array_equal(
        loaded.predict(x, verbose=0), model.predict(x, verbose=0)
    )


@pytest.mark.parametrize("name", ["depthwise_steps", "pointwise_steps"])
@pytest.mark.parametrize(
    "steps",
    [
        ("convolution", "pooling"),
        ("convolution", "activation", "activation"),
        ("normalization", "activation"),
        (),
        "convolution",
        None,
    ],
)
def test_steps_are_known_named_once_and_hold_a_convolution(name, steps):
    message = f"`{name}` must hold .* Received: {name}="
    with pytest.raises(ValueError, match=message):
        DepthwiseSeparable(4, 3, **{name: steps})


@pytest.mark.parametrize("normalization", ["group", True, "Batch"])
def test_an_unknown_normalization_is_refused(normalization):
    message = "`normalization` must be one of .* Received: normalization="
    with pytest.raises(ValueError, match=message):
        DepthwiseSeparable(4, 3, normalization=normalization)


@pytest.mark.parametrize(
    "name, value",
    [
        ("padding", "causal"),
        ("filters", 0),
        ("depth_multiplier", 0),
        ("kernel_size", 0),
        ("strides", 0),
        ("dilation_rate", 0),
        ("data_format", "channels"),
    ],
)
def test_what_keras_refuses_is_refused_at_once(name, value):
    options = {"filters": 4, "kernel_size": 3, name: value}
    with pytest.raises(ValueError, match=f"`{name}`.* Received"):
        DepthwiseSeparable(**options)


@pytest.mark.parametrize("shape", [(3,), (4, 4, 4, 3)])
def test_another_rank_is_refused(shape):
    message = "inputs of rank 3 or 4. Received: "
    with pytest.raises(ValueError, match=message):
        DepthwiseSeparable(4, 3)(np.ones((2, *shape)))


def test_a_kernel_of_three_dimensions_is_refused():
    with pytest.raises(ValueError, match="rank 3 or 4. Received: 3 dim"):
        DepthwiseSeparable(4, (3, 3, 3))
