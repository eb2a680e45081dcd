import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_eff
from keras_eff.factorization.factorize import factorize
from keras_eff.factorization.factorize import plan_factors

IMAGE = (10, 10, 4)


def functional(function, *shapes):
    inputs = [keras.Input(shape) for shape in shapes]
    outputs = function(*inputs)
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs)


def convnet():
    def block(x):
        x = layers.Conv2D(24, 3, padding="same", name="stem")(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.DepthwiseConv2D(3, name="depthwise")(x)
        x = layers.Conv2D(24, 1, strides=2, activation="relu", name="conv")(x)
        x = layers.Dense(40, activation="tanh", name="mlp")(layers.Flatten()(x))
        return layers.Dense(3, name="head")(x)

    return functional(block, IMAGE)


def nested():
    """Two levels of models, each called twice, and a layer called twice."""
    dense = layers.Dense(24, name="dense")
    inner = keras.Sequential([keras.Input((24,)), dense], name="inner")
    middle = functional(lambda x: dense(inner(x) + inner(3 - x)), (24,))
    middle.name = "middle"
    head = layers.Dense(2, name="head")

    def block(a, b):
        difference = middle(a) - middle(b)
        return [head(difference), difference]

    return functional(block, (24,), (24,))


def alone(layer, *shape):
    return keras.Sequential([keras.Input(shape), layer])


def samples(model):
    generator = np.random.default_rng(0)
    arrays = [
        generator.normal(size=(8, *x.shape[1:])).astype(x.dtype)
        for x in model.inputs
    ]
    return arrays if len(arrays) > 1 else arrays[0]


def outputs(model, x):
    flat = keras.tree.flatten(model(x))
    return [ops.convert_to_numpy(y) for y in flat]


def assert_same(first, second, x, atol):
    for a, b in zip(outputs(first, x), outputs(second, x), strict=True):
        scale = max(np.abs(b).max(), 1.0)
        np.testing.assert_allclose(a / scale, b / scale, atol=atol)


def lower(model, rank):
    """Gives each kernel that has more the rank, and returns the model."""
    generator = np.random.default_rng(1)
    for variable in model.weights:
        *window, size = variable.shape
        if variable.name == "kernel" and min(np.prod(window), size) > rank:
            left = generator.normal(size=(*window, rank)) / np.prod(window)
            right = generator.normal(size=(rank, size))
            variable.assign(left @ right)
        elif variable.name == "bias":
            variable.assign(generator.normal(size=variable.shape))
    return model


def names(model):
    return [layer.name for layer in model.layers]


def train(model):
    x = samples(model)
    y = [np.ones_like(y) for y in outputs(model, x)]
    y = y if len(y) > 1 else y[0]
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    return model.fit(x, y, 4, 4, verbose=0).history["loss"]


@pytest.mark.parametrize("make", [convnet, nested])
@pytest.mark.parametrize("amount", [{"energy": 1.0}, {"rank": 4}], ids=str)
def test_no_rank_lost_is_nothing_lost(make, amount):
    model = lower(make(), 4)
    smaller = factorize(model, **amount)
    assert smaller.count_params() < 0.7 * model.count_params()
    assert_same(smaller, model, samples(model), 1e-5)
    assert not smaller.compiled
    assert smaller.name == model.name
    assert smaller.output_names == model.output_names


@pytest.fixture
def in_float64():
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])


def test_no_rank_lost_is_nothing_lost_in_float64(in_float64):
    if keras.backend.backend() == "jax":
        pytest.skip("JAX computes in float32 unless told otherwise")
    model = lower(convnet(), 4)
    smaller = factorize(model, energy=1.0)
    assert smaller.get_layer("stem_factor").kernel.dtype == "float64"
    assert_same(smaller, model, samples(model), 1e-12)


@pytest.mark.parametrize(
    "layer, shape",
    [
        (layers.Dense(20, activation="relu"), (18,)),
        (layers.Dense(20, use_bias=False), (3, 18)),
        (layers.Dense(20, activation=layers.PReLU()), (18,)),
        (layers.Conv1D(20, 3, padding="causal", dilation_rate=2), (9, 8)),
        (layers.Conv1D(20, 3, strides=2, activation="gelu"), (9, 8)),
        (layers.Conv2D(20, (3, 2), strides=(2, 1)), (9, 8, 6)),
        (layers.Conv2D(20, 3, padding="same", strides=2), (9, 8, 6)),
        (layers.Conv2D(20, 3, padding="same", dilation_rate=2), (9, 8, 6)),
        (layers.Conv2D(20, 1, strides=2, use_bias=False), (9, 8, 16)),
    ],
    ids=[
        *("dense", "dense on steps", "dense with a layer for activation"),
        *("causal", "conv1d", "oblong", "strides", "dilation", "pointwise"),
    ],
)
def test_a_layer_becomes_two_that_compute_the_same(layer, shape):
    model = lower(alone(layer, *shape), 3)
    smaller = factorize(model, energy=1.0)
    first, second = smaller.layers[1:]
    assert type(first) is type(second) is type(layer)
    assert first.kernel.shape == (*layer.kernel.shape[:-1], 3)
    assert second.kernel.shape[-2:] == (3, 20)
    assert np.prod(second.kernel.shape) == 60
    assert (first.name, second.name) == (f"{layer.name}_factor", layer.name)
    assert not first.use_bias and second.use_bias == layer.use_bias
    assert_same(smaller, model, samples(model), 1e-5)


@pytest.mark.parametrize(
    "layer, shape",
    [
        (layers.Dense(12), (20,)),
        (layers.Conv2D(12, 3), (9, 9, 4)),
        (layers.Conv1D(12, 3), (9, 4)),
    ],
    ids=["dense", "conv2d", "conv1d"],
)
def test_the_product_is_the_nearest_of_its_rank(layer, shape):
    first, second = factorize(alone(layer, *shape), rank=3).layers[1:]
    kernel, left, right = (
        ops.convert_to_numpy(x.kernel).astype("float64").reshape(-1, size)
        for x, size in ((layer, 12), (first, 3), (second, 12))
    )
    u, s, v = np.linalg.svd(kernel)
    nearest = sum(s[i] * np.outer(u[:, i], v[i]) for i in range(3))
    np.testing.assert_allclose(left @ right, nearest, atol=1e-6)


def test_the_bias_stays():
    model = lower(convnet(), 4)
    smaller = factorize(model, rank=2)
    for name in ("stem", "conv", "mlp", "head"):
        np.testing.assert_array_equal(
            *(
                ops.convert_to_numpy(m.get_layer(name).bias)
                for m in (smaller, model)
            )
        )


@pytest.mark.parametrize("make", [convnet, nested])
def test_the_model_is_left_as_it_was(make):
    model = make()
    x = samples(model)
    before = outputs(model, x)
    nodes = [len(op._inbound_nodes) for op in model.operations]
    for variable in factorize(model, rank=2).weights:
        variable.assign(ops.ones(variable.shape, variable.dtype))
    for a, b in zip(outputs(model, x), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert [len(op._inbound_nodes) for op in model.operations] == nodes


def test_layers_stay_whole_where_two_would_be_no_smaller():
    plan = plan_factors(convnet(), rank=15)
    assert {row.layer.name: row.rank for row in plan.layers} == {
        "stem": None,
        "conv": None,
        "mlp": 15,
        "head": None,
    }
    # 14 (36 + 24) = 840 < 36 x 24 = 864 < 15 (36 + 24) = 900.
    assert plan_factors(convnet(), rank=14).layers[0].rank == 14
    added = set(names(plan.factorize())) - set(names(plan.model))
    assert added == {"mlp_factor"}


def test_what_is_shared_stays_shared():
    model = nested()
    smaller = factorize(model, rank=4)
    middle = smaller.get_layer("middle")
    inner = middle.get_layer("inner")
    for name in ("dense_factor", "dense"):
        assert inner.get_layer(name) is middle.get_layer(name)
    assert len(smaller.weights) == len(model.weights) + 1


def test_a_shared_layer_stays_whole_if_one_of_its_models_does():
    model = nested()
    smaller = factorize(model, rank={"head": 1}, skip="inner")
    middle = smaller.get_layer("middle")
    assert names(middle) == names(model.get_layer("middle"))
    inner = middle.get_layer("inner")
    assert inner.get_layer("dense") is middle.get_layer("dense")
    assert "head_factor" in names(smaller)


@pytest.mark.parametrize(
    "skip, split",
    [
        ((), {"stem", "conv", "mlp", "head"}),
        ("mlp", {"stem", "conv", "head"}),
        (layers.Conv2D, {"mlp", "head"}),
        (lambda layer: "m" in layer.name, {"conv", "head"}),
        (["stem", layers.Dense], {"conv"}),
    ],
    ids=["nothing", "a name", "a class", "a predicate", "a list"],
)
def test_skip_chooses_what_stays_whole(skip, split):
    plan = plan_factors(convnet(), rank=1, skip=skip)
    assert {row.layer.name for row in plan.layers if row.rank} == split
    whole = [row.reason for row in plan.layers if not row.rank]
    assert whole == ["skip"] * (4 - len(split))


def test_a_dict_names_the_layers_and_their_ranks():
    smaller = factorize(convnet(), rank={"stem": 5, "mlp": 2})
    assert smaller.get_layer("stem_factor").filters == 5
    assert smaller.get_layer("mlp_factor").units == 2
    assert not {"conv_factor", "head_factor"} & set(names(smaller))


def test_a_rank_is_no_more_than_that_of_the_kernel():
    smaller = factorize(lower(convnet(), 4), rank=9, skip="head")
    found = [x for x in smaller.layers if x.name.endswith("_factor")]
    assert [x.kernel.shape[-1] for x in found] == [4, 4, 4]


def test_both_layers_have_what_the_one_was_given():
    layer = layers.Dense(
        20,
        dtype="mixed_float16",
        kernel_regularizer=keras.regularizers.L2(0.5),
        bias_regularizer="l1",
        bias_constraint="non_neg",
        activity_regularizer="l2",
        kernel_initializer="he_normal",
        trainable=False,
    )
    first, second = factorize(alone(layer, 18), rank=3).layers[1:]
    for part in (first, second):
        assert part.dtype_policy.name == "mixed_float16"
        assert float(part.kernel_regularizer.l2) == 0.5
        assert isinstance(part.kernel_initializer, keras.initializers.HeNormal)
        assert not part.trainable and part.kernel.dtype == "float32"
    assert isinstance(second.bias_constraint, keras.constraints.NonNeg)
    assert first.activity_regularizer is None
    assert second.activity_regularizer is not None


def test_decay_of_both_is_twice_the_sum_of_the_singular_values():
    layer = layers.Dense(20, kernel_regularizer=keras.regularizers.L2(1.0))
    smaller = factorize(alone(layer, 18), rank=3)
    kernel = ops.convert_to_numpy(layer.kernel)
    largest = np.linalg.svd(kernel, compute_uv=False)[:3]
    expected = pytest.approx(2 * sum(largest), rel=1e-5)
    assert float(sum(smaller.losses)) == expected


def test_layers_that_cannot_be_two_stay_whole():
    def block(x):
        x = layers.Conv2D(24, 3, groups=2, name="groups")(x)
        x = layers.Conv2D(24, 1, kernel_constraint="max_norm", name="bound")(x)
        x = layers.Dense(24, kernel_initializer="zeros", name="zero")(x)
        x = keras_eff.layers.PrunableDense(24, name="prunable")(x)
        return layers.Dense(24, name="dense")(x)

    model = functional(block, IMAGE)
    plan = plan_factors(model, rank=2)
    reasons = {row.layer.name: row.reason for row in plan.layers}
    assert reasons == {
        "groups": "groups",
        "bound": "kernel constraint",
        "zero": "all weights are zero",
        "prunable": "pruned or quantized",
        "dense": None,
    }
    smaller = plan.factorize()
    assert names(smaller)[1:] == [*list(reasons)[:-1], "dense_factor", "dense"]


def test_layers_with_int8_or_lora_weights_stay_whole():
    model = keras.Sequential(
        [
            keras.Input((24,)),
            layers.Dense(24, name="int8"),
            layers.Dense(24, name="lora"),
            layers.Dense(24, name="float"),
        ]
    )
    model.get_layer("int8").quantize("int8")
    model.get_layer("lora").enable_lora(2)
    plan = plan_factors(model, rank=2)
    assert [row.rank for row in plan.layers] == [None, None, 2]
    assert plan.layers[0].reason == "channels first, quantized or LoRA"


def test_energy_that_no_smaller_kernel_keeps_changes_nothing():
    model = convnet()
    smaller = factorize(model, energy=1.0)
    assert smaller.count_params() == model.count_params()
    assert_same(smaller, model, samples(model), 1e-6)


def test_less_energy_is_fewer_weights_and_more_error():
    model = convnet()
    x = samples(model)
    sizes, errors = [], []
    for energy in (0.9, 0.6, 0.3):
        smaller = factorize(model, energy=energy)
        sizes.append(smaller.count_params())
        difference = outputs(smaller, x)[0] - outputs(model, x)[0]
        errors.append(np.abs(difference).mean())
    assert sizes == sorted(sizes, reverse=True)
    assert errors == sorted(errors)


@pytest.mark.parametrize("make", [convnet, nested])
def test_it_trains(make):
    smaller = factorize(make(), rank=4)
    before = ops.convert_to_numpy(smaller.trainable_weights[0])
    losses = train(smaller)
    assert losses[-1] < losses[0]
    after = ops.convert_to_numpy(smaller.trainable_weights[0])
    assert np.abs(after - before).max() > 0


def test_a_file_restores_it(tmp_path):
    smaller = factorize(convnet(), rank=4)
    smaller.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = samples(smaller)
    np.testing.assert_array_equal(outputs(loaded, x)[0], outputs(smaller, x)[0])


def test_to_factorize_twice_goes_on_with_what_is_large():
    once = factorize(convnet(), rank=12, skip=["conv", "head"])
    twice = factorize(once, rank={"mlp_factor": 4, "mlp": 4})
    assert {"mlp_factor_factor", "mlp_factor", "stem"} <= set(names(twice))
    x = samples(once)
    assert outputs(twice, x)[0].shape == outputs(once, x)[0].shape


def test_it_is_pruned_and_quantized_like_any_other():
    smaller = factorize(convnet(), rank=4)
    pruned = keras_eff.prune(smaller, 0.5, skip=())
    quantized = keras_eff.quantize(pruned)
    shares = keras_eff.sparsity(quantized).weights
    assert len(shares) == 8
    assert {share.sparsity for share in shares} == {0.5}
    x = samples(pruned)
    calibrated = keras_eff.calibrate(quantized, x)
    assert_same(calibrated, pruned, x, 0.1)


def test_files_compute_what_it_does(tmp_path):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("a file is written by TensorFlow")
    smaller = factorize(convnet(), rank=6)
    path = tmp_path / "model.tflite"
    x = samples(smaller)
    as_float = keras_eff.export.to_tflite(smaller, path, samples=x)
    as_int8 = keras_eff.export.to_tflite(smaller, path, "int8", x)
    assert as_float.max_abs_error < 1e-5
    assert as_int8.float_tensors == ()
    assert as_int8.mean_lsb < 1
    assert as_int8.ops["CONV_2D"] == as_float.ops["CONV_2D"] == 4
    assert as_int8.ops["FULLY_CONNECTED"] == 3


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({}, "either `rank` or `energy`. Received: rank=None, energy=None"),
        ({"rank": 4, "energy": 0.5}, "Received: rank=4, energy=0.5"),
        ({"rank": 0}, "`rank` must be a positive integer. .*rank=0"),
        ({"rank": 0.5}, "`rank` must be a positive integer. .*rank=0.5"),
        ({"rank": True}, "`rank` must be a positive integer. .*rank=True"),
        ({"rank": {"mlp": -1}}, r"`rank\['mlp'\]` must be .*=-1"),
        ({"rank": {"mpl": 1}}, "'mpl' cannot be .no dense layer .*'mlp'"),
        ({"rank": {"depthwise": 1}}, "'depthwise' cannot be"),
        (
            {"rank": {"mlp": 1}, "skip": "mlp"},
            r"'mlp' cannot be \(skip\); .*\['conv', 'head', 'stem'\]",
        ),
        ({"rank": {}}, "must have a dense layer .*'mlp': 'not in `rank`'"),
        ({"energy": 0.0}, r"`energy` .* float in \(0, 1\]. .*energy=0.0"),
        ({"energy": 1.5}, "`energy` must be .*energy=1.5"),
        ({"energy": float("nan")}, "`energy` must be .*energy=nan"),
        ({"energy": True}, "`energy` must be .*energy=True"),
        ({"energy": "most"}, "`energy` must be .*energy='most'"),
        ({"rank": 4, "skip": "none"}, "`skip` names a layer .*'none'"),
        ({"rank": 4, "skip": layers.Layer}, "must have a dense .*'skip'"),
    ],
    ids=[
        *("neither", "both", "zero rank", "float rank", "boolean rank"),
        *("rank of a layer", "unknown name", "other layer", "skipped name"),
        *("empty dict", "zero energy", "energy over 1", "nan"),
        *("boolean energy", "string", "unknown skip", "all skipped"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        factorize(convnet(), **arguments)


def test_a_model_that_is_quantized_is_refused():
    with pytest.raises(ValueError, match="'mlp': 'pruned or quantized'"):
        factorize(keras_eff.quantize(convnet()), rank=4)


def test_weights_that_are_not_finite_are_refused():
    model = convnet()
    model.get_layer("mlp").kernel.assign(np.full((24 * 16, 40), np.nan))
    with pytest.raises(ValueError, match="finite. Received: layer 'mlp'"):
        factorize(model, energy=0.5)


def test_a_subclassed_model_is_refused():
    class Subclassed(keras.Model):
        pass

    with pytest.raises(ValueError, match="`keras_eff.factorize` needs"):
        factorize(Subclassed(), rank=4)


def test_a_model_that_is_not_built_is_refused():
    with pytest.raises(ValueError, match="a model that is built"):
        factorize(keras.Sequential([layers.Dense(4)]), rank=4)


def test_a_model_of_another_library_is_refused():
    with pytest.raises(TypeError, match="keras_eff.factorize"):
        factorize(object(), rank=4)
