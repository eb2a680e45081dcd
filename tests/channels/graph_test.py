"""Each entry of the book has a model of which channels go."""

import functools

import keras
import pytest
from keras import layers
from keras import ops

import keras_eff
from keras_eff.graph import book
from keras_eff.layers.keep_float import KeepFloat
from keras_eff.layers.zoneout import Zoneout

ROW, SEQUENCE, IMAGE, VOLUME = (5,), (6, 5), (6, 5, 3), (5, 4, 4, 3)
OURS = keras_eff.layers


def behind(function, size, activation):
    """A function of the channels of a layer, and what reads all of it.

    The layer leaves zero where channels go with "relu", and a constant with
    "sigmoid".
    """
    inputs = keras.Input(size)
    x = layers.Dense(8, activation, name="source")(inputs)
    outputs = [
        layers.Dense(2)(layers.Flatten()(x) if len(x.shape) > 2 else x)
        for x in keras.tree.flatten(function(x, inputs))
    ]
    return keras.Model(inputs, outputs)


def of(make, size=IMAGE):
    """A layer of the channels alone."""
    return lambda x, _: make()(x), size


def op(function, size=SEQUENCE):
    return lambda x, _: function(x), size


def met(make, count=2):
    """The channels beside other ones of as many."""

    def merged(x, inputs):
        others = [layers.Dense(8, "softplus")(inputs) for _ in range(count - 1)]
        return make([x, *others])

    return merged, SEQUENCE


def two(function):
    return met(lambda x: function(*x))


def fed(layer):
    """A recurrent layer in the states that another one ended with."""

    def states(x, inputs):
        _, *found = layers.LSTM(4, return_state=True)(inputs)
        return layer(x, initial_state=found)

    return states, SEQUENCE


def attended(x, inputs):
    key = layers.Dense(7, "relu")(inputs)
    layer = layers.MultiHeadAttention(4, 3, value_dim=2)
    found, scores = layer(x, inputs, key, return_attention_scores=True)
    return [found, ops.mean(scores, 1)]


def local(x, _):
    layer = OURS.LocalProjectedAttention(4, 3, 2, value_dim=2)
    found, scores = layer(x, return_attention_scores=True)
    return [found, ops.mean(scores, 1)]


def in_rows(x, inputs):
    return layers.Concatenate(1)([layers.Dense(8, "relu")(inputs), x])


def every_function(x, _):
    """All functions of an element, side by side."""
    more = {"clip": (0.1, 0.6), "threshold": (0.1, 0.3), "cast": ("float32",)}
    return [
        getattr(ops, name, None)(x, *more.get(name, ()))
        if hasattr(ops, name)
        else layers.Activation(name)(x)
        for name in sorted(
            name
            for name, entry in book._functions.items()
            if entry.channels == "elementwise"
        )
    ]


def sized(name, *arguments, **options):
    """Layers of a name that ends in one to three dimensions."""
    sizes = {1: SEQUENCE, 2: IMAGE, 3: VOLUME}
    found = {}
    for dimensions, size in sizes.items():
        full = name.format(dimensions)
        if hasattr(layers, full):
            kind = getattr(layers, full)
            make = functools.partial(kind, *arguments, **options)
            found[full] = of(make, size)
    return found


def recurrent(kind):
    return {
        "zero": of(lambda: kind(5, return_sequences=True), SEQUENCE),
        "half": of(lambda: kind(5, activation="sigmoid"), SEQUENCE),
    }


def bidirectional(kind, mode, **options):
    return of(
        lambda: layers.Bidirectional(kind(5, **options), merge_mode=mode),
        SEQUENCE,
    )


# What becomes of a constant: it goes on, or goes into a bias.
WITH_CONSTANTS = {
    "Dense": of(lambda: layers.Dense(6, "sigmoid"), SEQUENCE),
    **sized("Conv{}D", 6, 2, activation="sigmoid"),
    **sized("DepthwiseConv{}D", 2, depth_multiplier=2, activation="softplus"),
    "BatchNormalization": {
        "scaled": of(layers.BatchNormalization),
        "without scale": of(lambda: layers.BatchNormalization(scale=False)),
        "without offset": of(lambda: layers.BatchNormalization(center=False)),
    },
    "GroupNormalization": of(lambda: layers.GroupNormalization(-1)),
    **sized("AveragePooling{}D", 2),
    **sized("MaxPooling{}D"),
    **sized("UpSampling{}D"),
    **sized("Cropping{}D"),
    **sized("GlobalAveragePooling{}D"),
    **sized("GlobalMaxPooling{}D", keepdims=True),
    "Flatten": of(layers.Flatten),
    "Permute": of(lambda: layers.Permute((3, 1, 2))),
    "Reshape": {
        "layer": of(lambda: layers.Reshape((30, 8))),
        "row": of(lambda: layers.Reshape((2, 4)), ROW),
    },
    "RepeatVector": of(lambda: layers.RepeatVector(3), ROW),
    "Add": met(layers.Add(), 3),
    "Average": met(layers.Average(), 3),
    "Maximum": met(layers.Maximum()),
    "Minimum": met(layers.Minimum()),
    "Multiply": met(layers.Multiply(), 3),
    "Subtract": met(layers.Subtract()),
    "Concatenate": met(layers.Concatenate(), 3),
    "Activation": of(lambda: layers.Activation("softplus")),
    "ELU": of(lambda: layers.ELU(0.5)),
    "LeakyReLU": of(lambda: layers.LeakyReLU(0.4)),
    "ReLU": of(lambda: layers.ReLU(0.6, 0.1, 0.2)),
    "Rescaling": of(lambda: layers.Rescaling(2.0, 0.5)),
    "ActivityRegularization": of(layers.ActivityRegularization),
    "AlphaDropout": of(lambda: layers.AlphaDropout(0.5)),
    "Dropout": of(lambda: layers.Dropout(0.5)),
    "GaussianDropout": of(lambda: layers.GaussianDropout(0.5)),
    "GaussianNoise": of(lambda: layers.GaussianNoise(0.5)),
    "Identity": of(layers.Identity),
    **sized("SpatialDropout{}D", 0.5),
    "Zoneout": of(lambda: Zoneout(0.5)),
    "DepthwiseSeparable": of(lambda: OURS.DepthwiseSeparable(6, 2)),
    "every function": (every_function, SEQUENCE),
    "op ExpandDims": op(lambda x: ops.expand_dims(x, 1)),
    "op Flip": op(lambda x: ops.flip(x, 1)),
    "op GetItem": op(lambda x: x[:, 1:4]),
    "op Moveaxis": op(lambda x: ops.moveaxis(x, 1, 2)),
    "op Squeeze": op(lambda x: ops.squeeze(x[:, 2:3], 1)),
    "op Swapaxes": op(lambda x: ops.swapaxes(x, 1, 2)),
    "op Transpose": op(lambda x: ops.transpose(x, (0, 2, 1))),
    "op Reshape": op(lambda x: ops.reshape(x, (-1, 2, 3, 8))),
    "op Amax": op(lambda x: ops.amax(x, 1)),
    "op Amin": op(lambda x: ops.amin(x, 1, keepdims=True)),
    "op Max": op(lambda x: ops.max(x, 1)),
    "op Mean": op(lambda x: ops.mean(x, (1, 2)), IMAGE),
    "op Min": op(lambda x: ops.min(x, 1)),
    "op Add": {
        "tensors": two(ops.add),
        "a number": op(lambda x: x + 0.5),
    },
    "op Divide": {
        "tensors": two(lambda x, y: ops.divide(x, y + 1)),
        "a number": op(lambda x: ops.divide(1.0, x + 1)),
    },
    "op Maximum": op(lambda x: ops.maximum(x, 0.6)),
    "op Minimum": two(ops.minimum),
    "op Multiply": {
        "tensors": two(ops.multiply),
        "a number": op(lambda x: x * 0.5),
    },
    "op Subtract": op(lambda x: 1.0 - x),
    "op TrueDivide": two(lambda x, y: ops.true_divide(x, y + 1)),
    "op Concatenate": met(lambda x: ops.concatenate(x, -1)),
}
# Where only channels that are zero may go.
WITH_ZEROS = {
    "Conv2D": {
        "padded": of(lambda: layers.Conv2D(6, 3, padding="same")),
        "grouped": of(
            lambda: layers.Conv2D(8, 2, groups=4, activation="sigmoid")
        ),
    },
    **sized("Conv{}DTranspose", 5, 3, strides=2, activation="softplus"),
    **sized("SeparableConv{}D", 6, 2, depth_multiplier=2, activation="sigmoid"),
    "GroupNormalization": of(lambda: layers.GroupNormalization(8, scale=False)),
    "PReLU": of(lambda: layers.PReLU(shared_axes=(1, 2))),
    "MultiHeadAttention": (attended, SEQUENCE),
    "LSTM": {**recurrent(layers.LSTM), "states": fed(layers.LSTM(4))},
    "GRU": recurrent(layers.GRU),
    "SimpleRNN": recurrent(layers.SimpleRNN),
    "Bidirectional": {
        "side by side": bidirectional(layers.LSTM, "concat"),
        "half": bidirectional(layers.LSTM, "sum", activation="sigmoid"),
        "mean": bidirectional(OURS.QRNN, "ave"),
    },
    "AveragePooling2D": of(lambda: layers.AveragePooling2D(2, padding="same")),
    "MaxPooling2D": of(lambda: layers.MaxPooling2D(padding="same")),
    **sized("ZeroPadding{}D"),
    "FakeQuant": of(lambda: OURS.FakeQuant(fixed_range=(-3.0, 3.0))),
    "KeepFloat": of(KeepFloat),
    "LocalProjectedAttention": (local, SEQUENCE),
    "QRNN": of(lambda: OURS.QRNN(5, 3, "ifo"), SEQUENCE),
    "Concatenate": (in_rows, SEQUENCE),
    "op Pad": op(lambda x: ops.pad(x, ((0, 0), (1, 1), (0, 0)))),
    "op Sum": op(lambda x: ops.sum(x, 1)),
}


def embedded():
    inputs = keras.Input((6,), dtype="int32")
    x = layers.Embedding(9, 8, name="source")(inputs)
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))


def variants(entry):
    return entry.values() if isinstance(entry, dict) else [entry]


MODELS = {"Embedding": [(embedded, True)]}
for name, entry in WITH_CONSTANTS.items():
    MODELS[name] = [
        (functools.partial(behind, *variant, activation), True)
        for variant in variants(entry)
        for activation in ("sigmoid", "relu")
        # Some functions of zero have no value.
        if (name, activation) != ("every function", "relu")
    ]
for name, entry in WITH_ZEROS.items():
    first, *others = variants(entry)
    MODELS.setdefault(name, []).extend(
        [
            (functools.partial(behind, *first, "sigmoid"), False),
            *[
                (functools.partial(behind, *variant, "relu"), True)
                for variant in (first, *others)
            ],
        ]
    )
# A state that does not stay at zero.
_HALF = of(lambda: OURS.QRNN(5, activation="sigmoid"), SEQUENCE)
MODELS["QRNN"].append((functools.partial(behind, *_HALF, "relu"), False))


def test_each_entry_through_which_channels_go_has_a_model():
    by_layer = {
        kind if isinstance(kind, str) else kind.__name__
        for kind, entry in book._layers.items()
        if entry.channels != "frozen"
    }
    by_operation = {
        f"op {name}"
        for name, entry in book._operations.items()
        if entry.channels not in ("elementwise", "frozen")
    }
    assert set(MODELS) - {"every function"} == by_layer | by_operation


@pytest.mark.parametrize("name", MODELS)
def test_channels_go_through_and_leave_what_they_leave_masked(
    name, same_as_masked
):
    for make, goes in MODELS[name]:
        model = make()
        plan = same_as_masked(model, 0.6)
        (source,) = (g for g in plan.groups if "source" in g.layers)
        assert (plan.num_kept(source) < source.num_channels) == goes
        assert "<" not in str(plan)
