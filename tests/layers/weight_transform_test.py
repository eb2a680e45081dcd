import itertools

import keras
import numpy as np
import pytest
from keras import ops

from keras_eff.layers import TransformedWeights
from keras_eff.layers import WeightFakeQuant
from keras_eff.layers import WeightTransform
from keras_eff.layers.weight_transform import followed_axes


class Recorder(WeightTransform):
    """Keeps the dtypes of the weight and of its own state, at each call."""

    order = 1

    def build(self, input_shape):
        self.state = self.add_weight(shape=(), trainable=False)
        self.seen = set()

    def call(self, weight):
        for tensor in (weight, ops.convert_to_tensor(self.state)):
            self.seen.add(keras.backend.standardize_dtype(tensor.dtype))
        return weight


@pytest.fixture
def mixed_float16():
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy("float32")


def values(weights):
    return [ops.convert_to_numpy(weight).copy() for weight in weights]


def twin_of(wrapper, *input_shapes):
    """The wrapped layer on its own, with the weights that it computes with."""
    twin = type(wrapper.layer).from_config(wrapper.layer.get_config())
    twin.build(*input_shapes)
    for variable, value in zip(
        twin.variables, wrapper.transformed_variables(), strict=True
    ):
        variable.assign(value)
    return twin


def assert_same(outputs, expected):
    outputs, expected = values([outputs, expected])
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)


def ceil_to_share(weight, share):
    step = np.abs(weight).max() * share
    return np.ceil(weight / step) * step


def symmetric(weight, num_bits):
    step = np.abs(weight).max(axis=0) / (2 ** (num_bits - 1) - 1)
    return np.rint(weight / step) * step


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_chain_masks_then_clusters_then_rounds(order, steps):
    given = [steps.Mask(), steps.Cluster(share=0.3), WeightFakeQuant(3)]
    layer = TransformedWeights(keras.layers.Dense(4), [given[i] for i in order])
    layer.build((None, 6))
    kernel = values([layer.kernel])[0]
    mask = np.abs(kernel) < np.sort(np.abs(kernel).ravel())[-4]
    layer.transforms[0].mask.assign(mask)
    expected = symmetric(ceil_to_share(kernel * mask, 0.3), 3)
    outputs = values(layer.transformed_variables())
    np.testing.assert_allclose(outputs[0], expected, rtol=1e-5)
    assert (outputs[0][~mask] == 0.0).all()


def test_a_step_sees_the_weight_and_its_state_in_float32(mixed_float16):
    step = Recorder()
    layer = TransformedWeights(keras.layers.Dense(2), [step])
    x = np.ones((4, 3), "float16")
    assert keras.backend.standardize_dtype(layer(x).dtype) == "float16"
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile("sgd", "mse")
    model.fit(x, x[:, :2], verbose=0)
    assert step.seen == {"float32"}


def test_dots_lead_to_the_layers_inside():
    names = ["cell.kernel", "cell.recurrent_kernel"]
    layer = TransformedWeights(
        keras.layers.LSTM(2), [WeightFakeQuant(2, weight_name=n) for n in names]
    )
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    state = [np.ones((2, 2), "float32")] * 2
    outputs = layer(x, initial_state=state)
    raw, seen = values(layer.variables), values(layer.transformed_variables())
    for before, after in zip(raw[:2], seen[:2], strict=True):
        np.testing.assert_allclose(after, symmetric(before, 2), rtol=1e-6)
    twin = twin_of(layer, x.shape)
    assert_same(outputs, twin(x, initial_state=state))
    mask = np.array([[True, True, False], [True, False, True]])
    assert_same(layer(x, mask=mask), twin(x, mask=mask))


def test_attention_takes_all_of_its_inputs_and_drops_anew_in_each_call():
    step = WeightFakeQuant(2, (-2, -1), weight_name="query_dense.kernel")
    attention = keras.layers.MultiHeadAttention(2, 3, dropout=0.5)
    layer = TransformedWeights(attention, [step])
    q, v, k = np.random.default_rng(0).normal(size=(3, 2, 4, 5)).astype("f")
    options = {
        "key": k,
        "attention_mask": np.ones((2, 4, 4), bool),
        "use_causal_mask": True,
    }
    outputs = layer(q, v, **options)
    twin = twin_of(layer, q.shape, v.shape, k.shape)
    assert_same(outputs, twin(q, v, **options))
    symbolic = layer(keras.Input((4, 5)), keras.Input((4, 5)))
    assert symbolic.shape == (None, 4, 5)
    first, second = values(layer(q, v, training=True) for _ in range(2))
    assert not np.allclose(first, second)
    first, second = values(layer(q, v, training=False) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_masks_survive_saving(steps, tmp_path):
    chain = [steps.Mask(), WeightFakeQuant(4)]
    layer = TransformedWeights(keras.layers.Dense(2), chain)
    model = keras.Sequential([keras.Input((3,)), layer])
    mask = np.float32([[1, 0], [1, 1], [0, 1]])
    chain[0].mask.assign(mask)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    loaded_mask = loaded.layers[0].transforms[0].mask
    np.testing.assert_array_equal(ops.convert_to_numpy(loaded_mask), mask)
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("f")
    np.testing.assert_array_equal(*values([loaded(x), model(x)]))


def test_a_step_that_has_state_already_keeps_it(steps):
    step = steps.Mask()
    step(np.ones((3, 2), "float32"))
    step.mask.assign(np.zeros((3, 2)))
    layer = TransformedWeights(keras.layers.Dense(2), [step])
    layer.build((None, 3))
    assert not values(layer.transformed_variables())[0].any()


def test_two_transforms_may_not_fill_one_place():
    chain = [WeightFakeQuant(4), WeightFakeQuant(8)]
    message = "one .* of each order .* such as 2.5.* of order=2 .* 'kernel'"
    with pytest.raises(ValueError, match=message):
        TransformedWeights(keras.layers.Dense(2), chain)
    chain[0].weight_name = "bias"
    assert TransformedWeights(keras.layers.Dense(2), chain).transforms == chain


def test_config_holds_the_name_of_the_weight():
    step = Recorder("cell.kernel")
    assert Recorder.from_config(step.get_config()).weight_name == "cell.kernel"


@pytest.mark.parametrize("weight", ["", "a kernel", "cell.", None, 3])
def test_weight_is_the_name_of_an_attribute(weight):
    message = "`weight_name` must be the name of an attribute.* Received: "
    with pytest.raises(ValueError, match=message):
        Recorder(weight)


def test_a_subclass_must_set_its_order():
    message = "must set .*`order`.* Received: .*WeightTransform with order=None"
    with pytest.raises(TypeError, match=message):
        WeightTransform()


@pytest.mark.parametrize("order", [True, float("nan"), "mask"])
def test_an_order_is_a_real_number(order):
    kind = type("Step", (WeightTransform,), {"order": order})
    with pytest.raises(TypeError, match="`order` to a real number"):
        kind()


@pytest.mark.parametrize("order", [-1, 0.5, np.float32(1.5), 3])
def test_a_step_stands_anywhere_in_the_chain(order, steps):
    kind = type("Step", (WeightTransform,), {"order": order})
    chain = [WeightFakeQuant(4), kind(), steps.Mask()]
    layer = TransformedWeights(keras.layers.Dense(2), chain)
    assert [step.order for step in layer.transforms] == sorted([0, 2, order])


def test_the_old_name_of_the_weight_goes_on_with_a_warning():
    with pytest.warns(DeprecationWarning, match="`weight_name` .* 0.3") as told:
        step = Recorder(weight="bias")
    assert told[0].filename == __file__
    with pytest.warns(DeprecationWarning, match="Argument") as told:
        WeightFakeQuant(weight="bias")
    assert told[0].filename == __file__
    with pytest.warns(DeprecationWarning, match="Attribute `weight` .* 0.3"):
        assert step.weight == "bias"
    config = step.get_config()
    config["weight"] = config.pop("weight_name")
    assert Recorder.from_config(config).weight_name == "bias"
    with pytest.raises(AttributeError, match="'Recorder' .*'weights_'"):
        step.weights_  # noqa: B018


def test_state_of_the_shape_of_the_weight_follows_its_axes(steps):
    mask, recorder = steps.Mask(), Recorder()
    mask.build((3, 2)), recorder.build((3, 2))
    assert mask.state_axes(mask.mask) == (0, 1)
    assert recorder.state_axes(recorder.state) == ()
    assert followed_axes(mask, mask.mask) == {0: 0, 1: 1}


@pytest.mark.parametrize("axes", [(2,), (0, 1), None, ("a",)])
def test_state_axes_are_axes_of_the_weight(axes, steps):
    step = steps.ChannelMask()
    step.build((3, 2))
    assert followed_axes(step, step.mask) == {0: 1}
    step.state_axes = lambda variable: axes
    with pytest.raises(ValueError, match="ChannelMask.state_axes.*Received"):
        followed_axes(step, step.mask)


def test_a_step_has_no_grid_of_its_own_accord(steps):
    assert steps.Mask().grid(np.ones((3, 2))) is None
