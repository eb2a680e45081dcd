import warnings

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_eff
from keras_eff.graph import book
from keras_eff.graph.register_layer import how_to_register


@keras.saving.register_keras_serializable(package="tests")
class MyDense(layers.Dense):
    """A layer that nobody registers, with the call of its parent."""


@keras.saving.register_keras_serializable(package="tests")
class OwnDense(layers.Dense):
    """The same in a call of its own."""

    def call(self, inputs):
        return self.activation(ops.matmul(inputs, self.kernel) + self.bias)


@keras.saving.register_keras_serializable(package="tests")
class Mixing(layers.Layer):
    """A matrix of outputs by inputs, and two offsets of each output."""

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.width = width

    def build(self, shape):
        self.matrix = self.add_weight(shape=(self.width, shape[-1]))
        self.offset = self.add_weight(shape=(self.width,))

    def call(self, inputs):
        return ops.matmul(inputs, ops.transpose(self.matrix)) + self.offset

    def get_config(self):
        return {**super().get_config(), "width": self.width}


@keras.saving.register_keras_serializable("tests", "TransformerBlock")
class Block(layers.Layer):
    """Attention, a feed-forward part, normalizations and residuals."""

    def __init__(self, width, hidden, **kwargs):
        super().__init__(**kwargs)
        self.width, self.hidden = width, hidden
        self.attention = layers.MultiHeadAttention(2, width // 2, name="att")
        self.wide = layers.Dense(hidden, activation="relu", name="wide")
        self.thin = layers.Dense(width, name="thin")
        self.norms = [layers.LayerNormalization() for _ in range(2)]
        self.dropout = layers.Dropout(0.1)

    def build(self, shape):
        self.attention.build(shape, shape)
        self.wide.build(shape)
        self.thin.build((*shape[:-1], self.hidden))
        for norm in self.norms:
            norm.build(shape)

    def call(self, inputs, training=None):
        mixed = self.attention(inputs, inputs, training=training)
        x = self.norms[0](inputs + self.dropout(mixed, training=training))
        return self.norms[1](x + self.thin(self.wide(x)))

    def get_config(self):
        own = {"width": self.width, "hidden": self.hidden}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="tests")
class Residual(layers.Layer):
    """Two dense layers, and what they read."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.wide = layers.Dense(32, activation="relu", name="wide")
        self.thin = layers.Dense(8, name="thin")

    def build(self, shape):
        self.wide.build(shape)
        self.thin.build((*shape[:-1], 32))

    def call(self, inputs):
        return inputs + self.thin(self.wide(inputs))


@pytest.fixture(autouse=True)
def restore(monkeypatch):
    """The book as it was: what tests register is forgotten."""
    monkeypatch.setattr(book, "_layers", dict(book._layers))


def register_mixing(**changes):
    matrix = keras_eff.WeightAxes(inputs=1, outputs=0)
    offset = keras_eff.WeightAxes(outputs=0)
    weights = {"offset": offset, "matrix": matrix}
    options = {"weights": weights, "size": "width", **changes}
    keras_eff.register_layer(Mixing, **options)


def register_block():
    keras_eff.register_layer(Block, opens=Block.call)


def register_nothing():
    pass


def register_dense():
    keras_eff.register_layer(OwnDense, like=layers.Dense)


def model_of(*parts, shape=(8,)):
    return keras.Sequential([keras.Input(shape), *parts])


def dense_model(kind):
    first = kind(16, activation="relu", name="own")
    return model_of(first, layers.Dense(3, name="head"))


def mixing_model():
    own, head = Mixing(16, name="own"), layers.Dense(3, name="head")
    return model_of(own, layers.ReLU(), head)


def block_model():
    pool, head = layers.GlobalAveragePooling1D(), layers.Dense(3, name="head")
    return model_of(Block(8, 32), pool, head, shape=(6, 8))


def residual_model():
    """Parts of two layers have the same names."""
    keras_eff.register_layer(Residual, opens=Residual.call)
    return model_of(Residual(name="one"), Residual(name="two"))


needs_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="it writes a file"
)

CASES = {
    "inherited": (lambda: dense_model(MyDense), register_nothing),
    "like": (lambda: dense_model(OwnDense), register_dense),
    "weights": (mixing_model, register_mixing),
    "opens": (block_model, register_block),
}


@pytest.fixture(params=CASES)
def model(request):
    """A model that is made before its layer is registered."""
    make, register = CASES[request.param]
    model = make()
    register()
    return model


def inputs_of(model, count=64):
    random = np.random.default_rng(0)
    shape = (count, *model.inputs[0].shape[1:])
    return random.normal(size=shape).astype("float32")


def reloaded(model, tmp_path):
    model.save(tmp_path / "model.keras")
    return keras.saving.load_model(tmp_path / "model.keras")


def outputs_of(model, x):
    return ops.convert_to_numpy(model(x))


def floats_of(model):
    return set(keras_eff.coverage(model).floats.values())


@needs_tensorflow
def test_it_is_quantized_and_its_file_computes_what_it_does(model, tmp_path):
    assert floats_of(model) <= {"LayerNormalization"}
    x = inputs_of(model)
    quantized = keras_eff.calibrate(keras_eff.quantize(model), x)
    quantized = reloaded(quantized, tmp_path)
    path = tmp_path / "model.tflite"
    report = keras_eff.export.to_tflite(quantized, path, samples=x)
    assert report.agreement > 0.95 and report.mean_lsb < 1.0
    debugged = keras_eff.export.debug(quantized, path, x)
    assert debugged.num_unmatched <= len(debugged.rows)


def test_it_is_pruned_and_its_zeros_are_counted(model, tmp_path):
    pruned = keras_eff.prune(model, 0.5, skip="head")
    pruned = reloaded(pruned, tmp_path)
    found = keras_eff.sparsity(pruned).weights
    assert found[-1].name == "head"
    assert all(weight.sparsity > 0.4 for weight in found[:-1])
    x = inputs_of(model)
    quantized = keras_eff.calibrate(keras_eff.quantize(pruned), x)
    assert sum(w.num_zeros for w in keras_eff.sparsity(quantized).weights) >= (
        sum(w.num_zeros for w in found)
    )


def test_it_is_cut(model, tmp_path):
    smaller = keras_eff.remove_channels(model, 0.5, skip="head")
    smaller = reloaded(smaller, tmp_path)
    assert smaller.count_params() < 0.8 * model.count_params()
    x = inputs_of(model)
    assert outputs_of(smaller, x).shape == outputs_of(model, x).shape


@pytest.mark.parametrize("name", ["inherited", "like", "opens"])
def test_it_is_factorized(name, tmp_path):
    make, register = CASES[name]
    model = make()
    register()
    x = inputs_of(model)
    exact = keras_eff.factorize(model, energy=1.0)
    np.testing.assert_allclose(
        outputs_of(exact, x), outputs_of(model, x), atol=1e-4
    )
    smaller = reloaded(keras_eff.factorize(model, rank=2), tmp_path)
    assert smaller.count_params() < 0.8 * model.count_params()


@needs_tensorflow
def test_the_file_holds_the_integers_of_declared_weights(tmp_path):
    from keras_eff.tflite.file_weights import file_weights
    from keras_eff.tflite.flatbuffer import parse

    register_mixing()
    model = mixing_model()
    x = inputs_of(model)
    quantized = keras_eff.calibrate(keras_eff.quantize(model, 4), x)
    own = quantized.get_layer("own")
    (step,) = own.transforms
    assert (step.weight_name, step.channel_axes) == ("matrix", (0,))
    path = tmp_path / "model.tflite"
    keras_eff.export.to_tflite(quantized, path, samples=x)
    weight = next(
        w
        for w in file_weights(parse(path.read_bytes()))
        if w.tensor.shape.tolist() == [16, 8]
    )
    assert weight.dtype == "int8"
    scales = np.asarray(weight.tensor.quantization.scale, "float32")
    values = weight.data.view(np.int8).reshape(16, 8) * scales[:, None]
    expected = ops.convert_to_numpy(own.transformed_variables()[0])
    np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_what_is_declared_is_factorized_by_nothing():
    register_mixing()
    plan = keras_eff.plan_factors(mixing_model(), rank=1)
    assert [row.layer.name for row in plan.layers] == ["head"]
    assert "register_layer" not in str(plan)


def test_parts_are_named_after_their_layer():
    plan = keras_eff.plan_factors(residual_model(), rank=2)
    names = [row.layer.name for row in plan.layers]
    assert names == ["one_wide", "one_thin", "two_wide", "two_thin"]


def test_a_layer_that_is_called_again_is_opened_in_both_places():
    once = residual_model()
    layer, inputs = once.layers[0], keras.Input((8,))
    model = keras.Model(inputs, layer(layer(inputs)))
    factorized = keras_eff.factorize(model, energy=1.0)
    x = inputs_of(model)
    np.testing.assert_allclose(
        outputs_of(factorized, x), outputs_of(model, x), atol=1e-4
    )
    assert 2 * model.count_params() == once.count_params()
    names = [layer.name for layer in factorized.layers]
    assert names.count("one_wide") == 1


def test_what_is_skipped_stays_whole():
    factorized = keras_eff.factorize(residual_model(), rank=2, skip="one")
    assert isinstance(factorized.get_layer("one"), Residual)
    floats = keras_eff.coverage(residual_model(), skip=Residual).floats
    assert set(floats.values()) == {"skipped"}


@pytest.fixture
def told(caplog):
    """Function that runs another and returns all that it tells."""

    def run(function, *args, **options):
        caplog.clear()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            result = function(*args, **options)
        messages = [str(w.message) for w in caught] + caplog.messages
        return result, "\n".join(m for m in messages if "keras_eff" in m)

    return run


def test_every_report_names_what_is_not_known_and_the_way_out(told):
    model = mixing_model()
    name = f"{Mixing.__module__}.Mixing"
    sentence = f"`keras_eff.register_layer` makes known: {name}"
    covered = keras_eff.coverage(model)
    assert covered.floats["own"] == name and covered.unknown == (name,)
    plan = keras_eff.plan_factors(model, rank=2)
    texts = [str(covered), str(plan)]
    for function, options in (
        (keras_eff.quantize, {}),
        (keras_eff.prune, {"schedule": 0.5, "skip": ()}),
        (keras_eff.factorize, {"rank": 2}),
    ):
        _, text = told(function, model, **options)
        texts.append(text)
    assert all(text.count(sentence) == 1 for text in texts)
    with pytest.raises(ValueError, match=sentence):
        keras_eff.factorize(mixing_model(), rank=2, skip="head")
    channels = keras_eff.plan_channels(model, 0.5)
    assert any(
        name in reason and "`keras_eff.register_layer`" in reason
        for _, _, reason in channels.left
    )


def test_nothing_is_said_of_layers_of_keras(told):
    model = model_of(layers.LayerNormalization(), layers.Dense(3))
    assert "register_layer" not in str(keras_eff.coverage(model))
    assert "register_layer" not in told(keras_eff.quantize, model)[1]


def test_to_register_again_replaces():
    register_mixing()
    assert not floats_of(mixing_model())
    keras_eff.register_layer(Mixing, like=layers.Identity)
    assert book.kind_of(Mixing(2)) == "linear"


def test_a_subclass_with_a_call_of_its_own_is_not_known():
    class Other(Mixing):
        def call(self, inputs):
            return inputs

    register_mixing()
    assert book.kind_of(Mixing(2)) == "declared"
    assert book.kind_of(Other(2)) == "unknown"


def test_weights_of_two_axes_that_are_added_are_not_pruned():
    class Positions(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], 8))
            self.table = self.add_weight(shape=shape[1:-1] + (8,))

        def call(self, inputs):
            return ops.matmul(inputs, self.kernel) + self.table

    weights = {
        "kernel": keras_eff.WeightAxes(inputs=0, outputs=1),
        "table": keras_eff.WeightAxes(outputs=1),
    }
    keras_eff.register_layer(Positions, weights=weights)
    model = model_of(Positions(), shape=(6, 8))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pruned = keras_eff.prune(model, 0.5, skip=())
    (step,) = pruned.layers[-1].transforms
    assert step.weight_name == "kernel"


def test_what_does_not_open_is_told():
    keras_eff.register_layer(Mixing, opens=lambda layer, x: np.exp(x))
    with pytest.raises(ValueError, match="`keras.ops` alone. .*Mixing, where"):
        keras_eff.coverage(mixing_model())


def test_weights_outside_of_layers_do_not_open():
    keras_eff.register_layer(Mixing, opens=Mixing.call)
    with pytest.raises(ValueError, match="layer 'own' of .*Mixing with"):
        keras_eff.quantize(mixing_model())


@pytest.mark.parametrize(
    "error, arguments, options, message",
    [
        (TypeError, [3], {"like": layers.Dense}, "`cls` must be a subclass"),
        (TypeError, [int], {"like": layers.Dense}, "class builtins.int"),
        (TypeError, [Mixing, "Dense"], {}, "`like` must be a subclass"),
        (ValueError, [Mixing, layers.Layer], {}, "of which nothing is known"),
        (ValueError, [Mixing], {}, "Received: none of them"),
        (
            ValueError,
            [Mixing, layers.Dense],
            {"opens": Mixing.call},
            r"\['like', 'opens'\]",
        ),
        (
            ValueError,
            [Mixing, layers.Dense],
            {"size": "width"},
            "with `weights` only. .* with `like`",
        ),
        (TypeError, [Mixing], {"opens": 3}, "`opens` must be a function"),
        (TypeError, [Mixing], {"opens": Block}, "`opens` must be a function"),
        (TypeError, [Mixing], {"weights": {"a": 1}}, "must be a dict from"),
        (TypeError, [Mixing], {"weights": ["a"]}, "must be a dict from"),
        (
            ValueError,
            [Mixing],
            {"weights": {"a": keras_eff.WeightAxes(0)}},
            "give its axis of `inputs`",
        ),
        (
            TypeError,
            [Mixing],
            {"weights": {"a": keras_eff.WeightAxes(0, 1)}, "size": 3},
            "`size` must be the name",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors(error, arguments, options, message):
    with pytest.raises(error, match=message):
        keras_eff.register_layer(*arguments, **options)


@pytest.mark.parametrize(
    "error, axes",
    [
        (TypeError, {"outputs": "0"}),
        (TypeError, {"outputs": True}),
        (TypeError, {"outputs": 0, "inputs": 1.0}),
        (ValueError, {"outputs": ()}),
        (ValueError, {"outputs": 0, "inputs": 0}),
    ],
)
def test_axes_must_be_different_integers(error, axes):
    with pytest.raises(error, match="Received: outputs="):
        keras_eff.WeightAxes(**axes)


def test_axes_are_read_as_a_tuple():
    assert keras_eff.WeightAxes(np.int64(1), 0).outputs == (1,)
    assert keras_eff.WeightAxes([1, 2], 0).outputs == (1, 2)


def test_the_sentence_names_each_class_once():
    assert how_to_register([]) == ""
    text = how_to_register(["b.B", "a.A", "b.B"])
    assert text == ". `keras_eff.register_layer` makes known: a.A, b.B"
