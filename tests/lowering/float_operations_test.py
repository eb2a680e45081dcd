"""What coverage calls float is float in the file, and the rest is integer.

Every operation is a branch, with an output of its own, of one of two models,
so that two conversions tell about all. Parameters are odd on purpose.
"""

import functools

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_eff
from keras_eff.export.file_passes import FileOptions
from keras_eff.export.file_passes import model_file
from keras_eff.export.formats import FORMATS
from keras_eff.graph.book import kind_of
from keras_eff.graph.end_names import end_names
from keras_eff.graph.selection import operations
from keras_eff.lowering.rules import RULES as LOWERING
from keras_eff.quantization import expansion
from keras_eff.quantization.rules import RULES as PLACEMENT
from keras_eff.tflite.execution import execute
from keras_eff.tflite.flatbuffer import operator_name
from keras_eff.tflite.flatbuffer import parse
from keras_eff.tflite.grid import known_grids

SHAPES = {"image": (6, 7, 4), "sequence": (5, 8), "features": (6,)}
CAST_BY = ("QUANTIZE", "DEQUANTIZE")
FLOAT_TYPE, INT8_TYPE = 0, 9
CONSTANT = np.array([0.6, -1.7, 0.3, 2.2], "float32")


def conv(filters=4, **options):
    return layers.Conv2D(filters, 1, **options)


def chain(*steps):
    return lambda x: functools.reduce(lambda y, step: step(y), steps, x)


def normalization():
    return layers.Normalization(
        mean=[0.4, -0.3, 1.1, 0.0], variance=[0.3, 2.0, 5.0, 1.5]
    )


class Gate(layers.Layer):
    """A layer that nobody registered, with a function of a fixed range."""

    def call(self, x):
        return ops.reshape(ops.sigmoid(2.0 * x), (-1, 40))


def twice_read(x):
    """Read by an integer operation and by a float one."""
    c = ops.exp(x)
    return ops.where(c > 1.0, c, 0.1 * c)


# Name: the input, a function of it, and the steps of the output that the
# file may be off: 1 for a tie in one kernel, 2 where an error is scaled up.
INTEGER = {
    "abs": ("sequence", ops.abs, 1),
    "add": ("image", lambda x: x + CONSTANT, 1),
    "add_relu": ("image", lambda x: ops.relu(x + layers.ReLU()(x)), 1),
    "average": ("image", lambda x: layers.Average()([x, conv()(x), -x]), 2),
    "average_pool": ("image", lambda x: ops.average_pool(x, 2, 1), 1),
    "average_pool_same": ("image", layers.AveragePooling2D(3, 2, "same"), 2),
    "add_norm": (
        "image",
        lambda x: layers.BatchNormalization()(x + CONSTANT),
        2,
    ),
    "argmax": ("sequence", lambda x: ops.argmax(x, -1), 0),
    "argmin": ("sequence", lambda x: ops.argmin(x, 1, keepdims=True), 0),
    "batch_norm": ("image", chain(conv(), layers.BatchNormalization()), 1),
    "batch_norm_alone": ("image", layers.BatchNormalization(), 1),
    "center_crop": ("image", layers.CenterCrop(3, 4), 0),
    "clip": ("image", chain(conv(), lambda x: ops.clip(x, -0.2, 0.6)), 1),
    "clip_alone": ("sequence", lambda x: ops.clip(x, -0.4, 1.1), 1),
    "concatenate": ("image", lambda x: layers.Concatenate()([x, 3 * x]), 1),
    "conv_relu": ("image", conv(5, activation="relu"), 1),
    "conv_transpose": ("image", layers.Conv2DTranspose(3, 2, 2), 1),
    "crop_3d": ("image", lambda x: layers.Cropping3D(1)(x[..., None]), 0),
    "depth_to_space": ("image", lambda x: ops.depth_to_space(x, 2), 0),
    "depthwise": ("image", layers.DepthwiseConv2D(3, depth_multiplier=2), 1),
    "divide": ("image", lambda x: x / CONSTANT, 1),
    "flip": ("sequence", lambda x: ops.flip(x, 1), 0),
    "gelu": ("sequence", ops.gelu, 1),
    "global_average": ("image", layers.GlobalAveragePooling2D(), 1),
    "hard_sigmoid": ("sequence", layers.Activation("hard_sigmoid"), 1),
    "hard_silu": ("sequence", layers.Activation("hard_silu"), 2),
    "hard_tanh": ("features", layers.Dense(5, activation="hard_tanh"), 1),
    "leaky_relu": ("sequence", layers.LeakyReLU(0.37), 1),
    "matmul": ("sequence", lambda x: x @ ops.transpose(x, (0, 2, 1)), 1),
    "maximum": ("image", lambda x: ops.maximum(x, conv()(x)), 1),
    "max_pool": ("image", layers.MaxPooling2D(3, 2, "same"), 0),
    "multiply": ("image", lambda x: x * conv()(x) * conv()(x), 2),
    "nested": (
        "image",
        lambda x: conv()(
            keras.Sequential([keras.Input(SHAPES["image"]), conv(3)])(x)
        ),
        1,
    ),
    "normalization": ("image", normalization(), 1),
    "pad": ("image", layers.ZeroPadding2D(((0, 2), (1, 0))), 0),
    "pad_3d": ("image", lambda x: layers.ZeroPadding3D()(x[..., None]), 0),
    "prelu": ("sequence", layers.PReLU(), 2),
    "relu": ("image", chain(conv(), layers.ReLU(0.4)), 1),
    "relu_joined": (
        "image",
        lambda x: ops.maximum(ops.relu(0.1 * x), conv()(x)),
        1,
    ),
    "relu_alone": ("image", layers.ReLU(), 1),
    "rescaling": ("image", layers.Rescaling(0.7, -0.2), 1),
    "resizing": ("image", layers.Resizing(4, 9), 1),
    "scaling": ("image", chain(layers.Rescaling(0.31), conv()), 1),
    "scaling_out": ("image", layers.Rescaling(0.31), 1),
    "separable": ("image", layers.SeparableConv2D(3, 2), 2),
    "seven": ("image", lambda x: ops.concatenate([x] * 6 + [2 * x], 1), 1),
    "sigmoid": ("sequence", ops.sigmoid, 1),
    "sigmoid_narrow": ("sequence", lambda x: ops.sigmoid(0.1 * x - 2.0), 1),
    "silu": ("sequence", ops.silu, 1),
    "softmax": ("sequence", layers.Softmax(), 1),
    "split": ("sequence", lambda x: ops.split(x, [3, 4], -1)[2], 0),
    "square": ("sequence", ops.square, 1),
    "stack": ("sequence", lambda x: ops.stack([x, 2 * x], 1), 1),
    "subtract": ("image", lambda x: ops.subtract(CONSTANT, x), 1),
    "softmax_narrow": ("sequence", lambda x: ops.softmax(0.1 * x), 1),
    "tanh": ("sequence", ops.tanh, 1),
    "tanh_narrow": ("sequence", lambda x: ops.tanh(0.1 * x), 1),
    "time_distributed": (
        "image",
        chain(
            layers.TimeDistributed(layers.Conv1D(3, 2)),
            layers.TimeDistributed(layers.BatchNormalization()),
            layers.TimeDistributed(layers.ReLU()),
        ),
        1,
    ),
    "time_distributed_dense": (
        "sequence",
        layers.TimeDistributed(layers.Dense(3, activation="relu")),
        1,
    ),
    "upsampling": ("image", layers.UpSampling2D((3, 2)), 0),
    "upsampling_3d": (
        "image",
        lambda x: layers.UpSampling3D((1, 2, 3))(x[..., None]),
        0,
    ),
}
FLOATS = {
    "argmax": ("sequence", lambda x: ops.argmax(layers.ELU()(x), -1)),
    "clip_above_zero": ("sequence", lambda x: ops.clip(x, 0.2, 1.0)),
    "elu": ("sequence", layers.ELU(0.7)),
    "gate": ("sequence", Gate()),
    "glu": ("sequence", layers.Activation("glu")),
    "group_norm": ("image", layers.GroupNormalization(2)),
    "layer_norm": ("sequence", layers.LayerNormalization()),
    "log_softmax": ("sequence", layers.Activation("log_softmax")),
    "masked_softmax": ("sequence", lambda x: layers.Softmax()(x, mask=x > 0)),
    "mish": ("sequence", layers.Activation("mish")),
    "pad_with_one": (
        "sequence",
        lambda x: ops.pad(x, ((0, 0), (1, 1), (0, 0)), constant_values=1),
    ),
    "pad_scaled": (
        "sequence",
        lambda x: ops.pad(
            layers.Rescaling(0.3)(x),
            ((0, 0), (1, 1), (0, 0)),
            constant_values=1,
        ),
    ),
    "skipped_conv": (
        "image",
        chain(layers.Rescaling(0.3), conv(name="skip_conv")),
    ),
    "skipped_mean": ("image", layers.GlobalAveragePooling2D(name="skip_mean")),
    "skipped_softmax": ("sequence", layers.Softmax(name="skip_softmax")),
    "skipped_tanh": ("sequence", layers.Activation("tanh", name="skip_tanh")),
    "softmax_over_steps": ("sequence", layers.Softmax(axis=1)),
    "sort": ("sequence", lambda x: ops.sort(x, -1)),
    "top": ("sequence", lambda x: ops.top_k(x, 2)[0]),
    "threshold": ("sequence", layers.ReLU(threshold=0.3)),
    "twice_read": ("sequence", twice_read),
    "unit_norm": ("sequence", layers.UnitNormalization()),
    "variance": ("image", lambda x: ops.var(x, axis=(1, 2))),
}
# A branch with an integer product in it; and a layer in whose inside the
# converter rounds what softmax returns.
MIXED = ("twice_read", "masked_softmax", "pad_scaled")


def build(table):
    """A model with an output for each entry, and samples for it."""
    inputs = {name: keras.Input(s, name=name) for name, s in SHAPES.items()}
    outputs = {k: entry[1](inputs[entry[0]]) for k, entry in table.items()}
    model = keras.Model(inputs, outputs)
    generator = np.random.default_rng(0)
    # The layers of the tables were made before any seed was set.
    for variable in model.weights:
        low = -0.6 if "kernel" in variable.path else 0.2
        variable.assign(generator.uniform(low, 0.9, variable.shape))
    samples = {
        name: generator.standard_normal((24, *shape)).astype("float32")
        for name, shape in SHAPES.items()
        if name in [x.name for x in model.inputs]
    }
    return model, samples


def skipped(layer):
    return layer.name.startswith("skip_")


def written(table, folder):
    """The content of the file, its coverage, and each output's error."""
    model, samples = build(table)
    aware = keras_eff.quantize(model, skip=skipped)
    keras_eff.calibrate(aware, samples, verbose=0)
    arrays = [samples[tensor.name] for tensor in aware.inputs]
    options = FileOptions(
        FORMATS["int8"],
        "int8",
        end_names(aware),
        known_grids(aware),
        keep_names=True,
    )
    data = model_file(aware, options, arrays).data
    path = folder / "m.tflite"
    path.write_bytes(data)
    execution = execute(path, arrays)
    expected = computed(aware, samples)
    steps = [scale or 1.0 for scale in execution.output_scales]
    errors = [
        max(np.abs(delegate - want).max(), np.abs(builtin - want).max()) / step
        for want, step, delegate, builtin in zip(
            expected, steps, execution.delegate, execution.builtin, strict=True
        )
    ]
    shares = [
        np.abs(rounded - exact).mean() / np.abs(exact).max()
        for rounded, exact in zip(
            expected, computed(model, samples), strict=True
        )
    ]
    names = sorted(table)
    return (
        data,
        keras_eff.coverage(model, skipped),
        dict(zip(names, errors, strict=True)),
        dict(zip(names, shares, strict=True)),
    )


def computed(model, samples):
    """The outputs of a model as float64 arrays, by name in order."""
    outputs = keras.tree.flatten(model(samples, training=False))
    return [ops.convert_to_numpy(x).astype("float64") for x in outputs]


def branch(data, number):
    """The operators behind an output of a file, as (name, output type)."""
    model = parse(data)
    graph = model.subgraphs[0]
    makers = {int(i): op for op in graph.operators for i in op.outputs}
    waiting, found = [int(graph.outputs[number])], []
    while waiting:
        operator = makers.pop(waiting.pop(), None)
        if operator is not None:
            kind = graph.tensors[operator.outputs[0]].type
            found.append((operator_name(model, operator), kind))
            waiting += [int(i) for i in operator.inputs]
    return found


@pytest.fixture(scope="module")
def integers(tmp_path_factory):
    keras.utils.set_random_seed(0)
    return written(INTEGER, tmp_path_factory.mktemp("integers"))


@pytest.fixture(scope="module")
def floats(tmp_path_factory):
    keras.utils.set_random_seed(0)
    return written(FLOATS, tmp_path_factory.mktemp("floats"))


def test_integer_operations_have_no_float_tensor(integers):
    data, coverage, *_ = integers
    assert coverage.floats == {}
    graph = parse(data).subgraphs[0]
    assert FLOAT_TYPE not in {tensor.type for tensor in graph.tensors}
    number = sorted(INTEGER).index("clip")
    assert [name for name, _ in branch(data, number)] == ["CONV_2D"]


@pytest.mark.parametrize("name", INTEGER)
def test_an_integer_operation_rounds_as_the_model_does(name, integers):
    *_, errors, shares = integers
    assert errors[name] <= INTEGER[name][2] + 0.01
    assert shares[name] <= 0.02


@pytest.mark.parametrize("name", FLOATS)
def test_a_float_operation_is_float_in_the_file(name, floats):
    data, _, errors, shares = floats
    number = sorted(FLOATS).index(name)
    made = [x for x in branch(data, number) if x[0] not in CAST_BY]
    if name not in MIXED:
        assert INT8_TYPE not in [kind for _, kind in made]
    assert errors[name] <= 1.01
    assert shares[name] <= 0.02


def test_every_float_operation_is_named(floats):
    model, _ = build(FLOATS)
    named = floats[1].floats
    assert len(named) >= len(FLOATS) and "Argmax" in named.values()
    assert {x for x in map(str, named) if x.startswith("skip_")} == {
        layer.name for layer in model.layers if skipped(layer)
    }


def test_every_rule_has_a_case():
    seen = {"cast", "composed", "declared", "fake_quant", "from_integers"}
    seen |= {"keep_float", "of_shape"}
    seen |= {"linear", "local_attention", "attention", "recurrence", "unknown"}
    for table in (INTEGER, FLOATS):
        model, _ = build(table)
        simple, _ = expansion.expand(model)
        for graph in (model, simple):
            seen |= {kind_of(x) for x, _ in operations(graph)}
    assert {*PLACEMENT, *LOWERING, *expansion._RULES} <= seen
