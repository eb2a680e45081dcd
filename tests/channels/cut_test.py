import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_eff


def image(*parts, size=(7, 7, 3)):
    return keras.Sequential([keras.Input(size), *parts, layers.Dense(3)])


def behind(function, activation="softplus", size=(6, 5)):
    """A function of the channels of a dense layer, read by another."""
    inputs = keras.Input(size)
    x = layers.Dense(8, activation)(inputs)
    outputs = keras.tree.flatten(function(x, inputs))
    outputs = [
        layers.Dense(2)(layers.Flatten()(x) if len(x.shape) > 2 else x)
        for x in outputs
    ]
    return keras.Model(inputs, outputs)


def between(*parts, activation="softplus"):
    """Layers between two convolutions, the first leaving a constant."""
    return image(
        layers.Conv2D(8, 3, activation=activation),
        *parts,
        layers.Conv2D(6, 2, activation="sigmoid"),
        layers.GlobalAveragePooling2D(),
    )


def squeeze_excite():
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(8, 3, activation="relu")(inputs)
    gate = layers.GlobalAveragePooling2D()(x)
    gate = layers.Dense(4, "hard_sigmoid")(gate)
    gate = layers.Dense(8, "sigmoid")(gate)
    x = layers.Multiply()([layers.Reshape((1, 1, 8))(gate), x])
    x = layers.Conv2D(6, 3, padding="same")(x)
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))


def shared_dense(first, second):
    inputs = keras.Input((6,))
    shared = layers.Dense(4, "sigmoid")
    x = layers.Concatenate()(
        [shared(layers.Dense(8, kind)(inputs)) for kind in (first, second)]
    )
    return keras.Model(inputs, layers.Dense(2)(x))


def shared_normalization():
    inputs = keras.Input((6,))
    shared = layers.BatchNormalization(scale=False)
    x = layers.Concatenate()(
        [shared(layers.Dense(8, kind)(inputs)) for kind in ("relu", "softplus")]
    )
    return keras.Model(inputs, layers.Dense(2)(x))


def shared_prelu():
    inputs = keras.Input((8,))
    shared = layers.PReLU()
    x = layers.Dense(8)(layers.Dense(6)(shared(inputs)))
    return keras.Model(inputs, layers.Dense(2)(shared(x)))


def shared_reshape():
    inputs = keras.Input((4, 6))
    shared = layers.Reshape((6, 4))
    x = shared(layers.Dense(4)(shared(inputs)))
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))


def nested_of_open_size():
    inner_inputs = keras.Input((None, None, 4))
    x = layers.Conv2D(6, 3, activation="softplus")(inner_inputs)
    inner = keras.Model(inner_inputs, layers.BatchNormalization()(x))
    inputs = [keras.Input((6, 6, 3)), keras.Input((8, 8, 3))]
    first, pool = layers.Conv2D(4, 1), layers.GlobalAveragePooling2D()
    x = layers.Concatenate()([pool(inner(first(x))) for x in inputs])
    return keras.Model(inputs, layers.Dense(2)(x))


def concatenated_and_added():
    inputs = keras.Input((6,))
    parts = [layers.Dense(1)(inputs), layers.Dense(7)(inputs)]
    x = layers.Concatenate()(parts) + layers.Dense(8)(inputs)
    return keras.Model(inputs, layers.Dense(2)(x))


def outer_sum():
    inputs = keras.Input((6,))
    rows = layers.Reshape((5, 1))(layers.Dense(5)(inputs))
    columns = layers.Reshape((1, 5))(layers.Dense(5)(inputs))
    return keras.Model(
        inputs, layers.Dense(2)(layers.Flatten()(rows + columns))
    )


def embedded_matrix():
    matrix = keras.initializers.Constant(np.ones((10, 8)))
    inputs = keras.Input((7,), dtype="int32")
    x = layers.Embedding(10, 8, embeddings_initializer=matrix)(inputs)
    return keras.Model(inputs, layers.Dense(2)(layers.LSTM(5)(x)))


def encoder_decoder():
    inputs = keras.Input((6, 5))
    _, *states = layers.LSTM(6, return_state=True)(inputs)
    x = layers.LSTM(6)(layers.Dense(4)(inputs), initial_state=states)
    return keras.Model(inputs, layers.Dense(2)(x))


def attention(**options):
    return lambda x, _: layers.MultiHeadAttention(4, 3, **options)(x, x)


def scores(x, _):
    found = layers.MultiHeadAttention(4, 3)(x, x, return_attention_scores=True)
    return [found[0], ops.mean(found[1], 1)]


def masked_heads(x, inputs):
    mask = layers.Reshape((4, 6, 6))(layers.Dense(24)(inputs)) > 0
    return layers.MultiHeadAttention(4, 3)(x, x, attention_mask=mask)


def looked_up(x, _):
    indices = ops.cast(ops.abs(x), "int32")
    return layers.Embedding(9, 3)(indices)


def of_mask(layer):
    return lambda x, inputs: layer(x, mask=ops.mean(inputs, -1) > 0)


def infinite(x, _):
    return ops.rsqrt(ops.square(x))


def square_rows(x, _):
    x = layers.Dense(6, "softplus")(x)
    return ops.transpose(x, (0, 2, 1))[:, 3]


BUILDERS = {
    "flatten": lambda: image(
        layers.Conv2D(8, 3, activation="sigmoid"), layers.Flatten()
    ),
    "constant into valid convolution": between,
    "constant into normalization": lambda: between(layers.BatchNormalization()),
    "constant into unscaled normalization": lambda: between(
        layers.BatchNormalization(scale=False)
    ),
    "constant into depthwise": lambda: between(
        layers.DepthwiseConv2D(3, depth_multiplier=2, activation="sigmoid")
    ),
    "renormalized": lambda: between(layers.BatchNormalization(renorm=True)),
    "constant inside a composed layer": lambda: between(
        keras_eff.layers.DepthwiseSeparable(
            6, 2, activation="softplus", normalization=None
        )
    ),
    "squeeze and excite": squeeze_excite,
    "shared, zero then constant": lambda: shared_dense("relu", "softplus"),
    "shared, constant then zero": lambda: shared_dense("softplus", "relu"),
    "shared, one constant": lambda: shared_dense("softplus", "softplus"),
    "shared normalization": shared_normalization,
    "shared prelu": shared_prelu,
    "shared reshape": shared_reshape,
    "nested": nested_of_open_size,
    "concatenated and added": concatenated_and_added,
    "outer sum": outer_sum,
    "embedded matrix": embedded_matrix,
    "states": encoder_decoder,
    "attention": lambda: behind(attention(value_dim=2), "relu"),
    "attention scores": lambda: behind(scores, "relu"),
    "mask of heads": lambda: behind(masked_heads, "relu"),
    "looked up": lambda: behind(looked_up),
    "recurrent with a mask": lambda: behind(of_mask(layers.LSTM(5)), "relu"),
    "bidirectional": lambda: behind(
        lambda x, _: layers.Bidirectional(layers.GRU(5, return_sequences=True))(
            x
        ),
        "relu",
    ),
    "recurrent of ours with states": lambda: behind(
        lambda x, _: keras_eff.layers.QRNN(5, 3, return_state=True)(x), "relu"
    ),
    "maximum with a least": lambda: behind(
        lambda x, _: ops.max(x, 1, initial=1.0)
    ),
    "padding with ones": lambda: behind(
        lambda x, _: layers.Conv1D(3, 2)(
            ops.pad(x, ((0, 0), (1, 1), (0, 0)), constant_values=1.0)
        ),
        "relu",
    ),
    "batch merged": lambda: behind(
        lambda x, _: ops.reshape(
            layers.Dense(4)(ops.reshape(x, (-1, 8))), (-1, 24)
        )
    ),
    "open size": lambda: keras.Sequential(
        [
            keras.Input((None, 4)),
            layers.Dense(8),
            layers.Reshape((8, 8)),
            layers.LSTM(4),
            layers.Dense(2),
        ]
    ),
    "infinite": lambda: behind(infinite, "linear"),
    "row of a square": lambda: behind(square_rows),
    "structure": lambda: behind(
        lambda x, inputs: layers.Identity()([x, layers.Dense(4)(inputs)])
    ),
    "constant beside": lambda: behind(
        lambda x, _: x + np.arange(8, dtype="float32")
    ),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_the_smaller_model_computes_what_the_masked_one_does(
    name, same_as_masked
):
    if name == "attention" and keras.backend.backend() == "jax":
        pytest.skip("on JAX, Keras's attention takes no `value_dim`")
    model = BUILDERS[name]()
    same_as_masked(model, 0.6)
    same_as_masked(model, 0.5, 1, scope="global", max_layer_sparsity=0.95)


def test_what_multiplies_a_constant_goes_into_a_bias_that_was_not_there(
    same_as_masked,
):
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(8, "sigmoid", use_bias=False),
            layers.Dense(3, use_bias=False),
        ]
    )
    smaller = same_as_masked(model, 0.5).remove()
    assert smaller.layers[-1].use_bias
    assert not smaller.layers[1].use_bias


def test_flags_names_and_dtypes_stay():
    inputs = keras.Input((6, 5))
    both = layers.Bidirectional(layers.LSTM(4, dtype="mixed_float16"))
    both.forward_layer.trainable = False
    x = both(layers.Dense(8, trainable=False, name="first")(inputs))
    model = keras.Model(inputs, layers.Dense(2, name="last")(x))
    smaller = keras_eff.remove_channels(model, 0.5)
    names = [layer.name for layer in model.layers]
    assert [layer.name for layer in smaller.layers] == names
    for old, new in zip(model.layers, smaller.layers, strict=True):
        assert new.dtype_policy.name == old.dtype_policy.name
        assert new.trainable == old.trainable
    halves = smaller.layers[2]
    assert not halves.forward_layer.trainable
    assert halves.backward_layer.trainable


class PerChannel(keras_eff.layers.WeightTransform):
    """A user's step, with state of several shapes."""

    order = 1

    def build(self, shape):
        options = {"initializer": "ones", "trainable": False}
        for name, size in {
            "column": (shape[-1],),
            "row": (shape[0], 1),
            "like": shape,
            "number": (),
            "others": (3,),
        }.items():
            weight = self.add_weight(shape=size, name=name, **options)
            setattr(self, name, weight)

    def call(self, weight):
        state = self.column * self.row + self.like
        return weight * (1 + state * self.number)

    def state_axes(self, variable):
        axes = {"column": (-1,), "row": (0, None), "like": (0, 1)}
        return axes.get(variable.name, (None,) * len(variable.shape))


def test_state_of_a_users_step_is_cut_with_its_weight(same_as_masked):
    parts = [
        keras_eff.layers.TransformedWeights(
            layers.Dense(size, "relu"), [PerChannel()]
        )
        for size in (8, 4)
    ]
    model = keras.Sequential([keras.Input((6,)), *parts, layers.Dense(2)])
    same_as_masked(model, 0.5)
    smaller = keras_eff.remove_channels(model, 0.5)
    (step,) = smaller.layers[2].transforms
    shapes = [tuple(v.shape) for v in step.variables]
    assert shapes == [(2,), (4, 1), (4, 2), (), (3,)]


def test_masks_of_pruned_weights_are_cut_with_them(same_as_masked):
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, "softplus"),
            layers.Dense(4, "relu"),
            layers.Dense(2),
        ]
    )
    pruned = keras_eff.prune(model, 0.5, skip=())
    plan = keras_eff.plan_channels(pruned, 0.5)
    x = np.random.default_rng(0).standard_normal((4, 6), "float32")
    smaller = plan.remove()
    with plan.masked():
        expected = ops.convert_to_numpy(pruned(x))
    found = ops.convert_to_numpy(smaller(x))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    mask = smaller.layers[1].transforms[0].mask
    assert tuple(mask.shape) == (6, 4)
