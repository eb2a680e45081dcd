"""Graphs of a few operators, built by hand as the schema has them."""

import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from keras_eff.edgetpu import operator_limits as edgetpu_limits
from keras_eff.edgetpu.lint import lint_edgetpu
from keras_eff.tflite.flatbuffer import parse
from keras_eff.tflite.packing import pack

RULES = json.loads(
    pathlib.Path(edgetpu_limits.__file__)
    .with_name("rules.json")
    .read_text(encoding="utf-8")
)
OPERATIONS = RULES["operations"]
VERSIONED = OPERATIONS | RULES["other_operations"]
IMAGE = (1, 4, 4, 8)
VECTOR = (1, 8)


class Tensor:
    """A tensor to be, constant if it has values."""

    def __init__(self, shape, dtype="int8", values=None):
        self.shape = shape
        self.dtype = dtype
        self.values = values
        self.signature = None
        self.is_variable = False
        self.is_sparse = False
        self.zero_point = 0

    def schema_tensor(self, buffer):
        tensor = schema.TensorT()
        tensor.shape = np.array(self.shape, np.int32)
        tensor.type = getattr(schema.TensorType, self.dtype.upper())
        tensor.buffer = buffer
        tensor.isVariable = self.is_variable
        if self.signature is not None:
            tensor.shapeSignature = np.array(self.signature, np.int32)
        if self.is_sparse:
            tensor.sparsity = schema.SparsityParametersT()
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.zeroPoint = np.array([self.zero_point], np.int64)
        return tensor


def weights(*shape):
    return Tensor(shape, "int8", np.ones(shape, np.int8))


def integers(*values):
    return Tensor(np.shape(values), "int32", np.array(values, np.int32))


class Node:
    """An operator to be."""

    def __init__(self, name, inputs, outputs, options=None, version=1):
        self.name = name
        self.inputs = inputs
        self.outputs = outputs
        self.options = options
        self.version = version


def build(nodes):
    """The bytes of a .tflite file with some operators."""
    model = schema.ModelT()
    model.version = 3
    model.buffers = [schema.BufferT()]
    model.operatorCodes = []
    graph = schema.SubGraphT()
    graph.tensors, graph.operators = [], []
    places = {}
    for node in nodes:
        for tensor in (*node.inputs, *node.outputs):
            if id(tensor) not in places:
                places[id(tensor)] = len(graph.tensors)
                graph.tensors.append(
                    tensor.schema_tensor(buffer(model, tensor))
                )
        graph.operators.append(operator(model, node, places))
    made = {id(tensor) for node in nodes for tensor in node.outputs}
    graph.inputs = np.array(
        [
            places[id(tensor)]
            for tensor in nodes[0].inputs
            if id(tensor) not in made and tensor.values is None
        ],
        np.int32,
    )
    last = [places[id(tensor)] for tensor in nodes[-1].outputs]
    graph.outputs = np.array(last, np.int32)
    model.subgraphs = [graph]
    return pack(model)


def buffer(model, tensor):
    if tensor.values is None:
        return 0
    data = schema.BufferT()
    data.data = np.frombuffer(tensor.values.tobytes(), np.uint8)
    model.buffers.append(data)
    return len(model.buffers) - 1


def operator(model, node, places):
    code = schema.OperatorCodeT()
    number = getattr(schema.BuiltinOperator, node.name, None)
    if number is None:
        number = schema.BuiltinOperator.CUSTOM
        code.customCode = node.name.encode()
    code.builtinCode = number
    code.deprecatedBuiltinCode = min(number, 127)
    code.version = node.version
    model.operatorCodes.append(code)
    built = schema.OperatorT()
    built.opcodeIndex = len(model.operatorCodes) - 1
    built.inputs = np.array([places[id(t)] for t in node.inputs], np.int32)
    built.outputs = np.array([places[id(t)] for t in node.outputs], np.int32)
    if node.options is not None:
        kind = type(node.options).__name__.removesuffix("T")
        built.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        built.builtinOptions = node.options
    return built


@pytest.fixture
def lint(tmp_path):
    def lint(*nodes):
        path = tmp_path / "graph.tflite"
        path.write_bytes(build(nodes))
        return lint_edgetpu(path)

    return lint


@pytest.fixture
def lint_bytes(tmp_path):
    def lint(data):
        path = tmp_path / "file.tflite"
        path.write_bytes(data)
        return lint_edgetpu(path)

    return lint


# How an operation looks that maps: its inputs, and what else is not a copy of
# the first one.


def plain(name):
    return Node(name, [Tensor(IMAGE)], [Tensor(IMAGE)])


def binary(name):
    return Node(name, [Tensor(IMAGE), Tensor(IMAGE)], [Tensor(IMAGE)])


def pool(name):
    return Node(name, [Tensor(IMAGE)], [Tensor(IMAGE)], schema.Pool2DOptionsT())


def concatenation(name):
    zeros = weights(*IMAGE)
    zeros.values *= 0
    options = schema.ConcatenationOptionsT()
    options.axis = 3
    return Node(name, [Tensor(IMAGE), zeros], [Tensor((1, 4, 4, 16))], options)


def conv(name):
    inputs = [Tensor(IMAGE), weights(8, 3, 3, 8), integers(*[0] * 8)]
    return Node(name, inputs, [Tensor(IMAGE)], schema.Conv2DOptionsT())


def depthwise(name):
    inputs = [Tensor(IMAGE), weights(1, 3, 3, 8), integers(*[0] * 8)]
    options = schema.DepthwiseConv2DOptionsT()
    return Node(name, inputs, [Tensor(IMAGE)], options)


def dense(name):
    inputs = [Tensor(VECTOR), weights(4, 8), integers(*[0] * 4)]
    options = schema.FullyConnectedOptionsT()
    return Node(name, inputs, [Tensor((1, 4))], options)


def transpose_conv(name):
    inputs = [
        integers(*IMAGE),
        weights(8, 3, 3, 8),
        Tensor(IMAGE),
        integers(*[0] * 8),
    ]
    return Node(name, inputs, [Tensor(IMAGE)])


def reduction(name):
    inputs = [Tensor(IMAGE), integers(1, 2)]
    return Node(name, inputs, [Tensor(VECTOR)], schema.ReducerOptionsT())


def packing(name):
    options = schema.PackOptionsT()
    options.axis = 1
    inputs = [Tensor(VECTOR), Tensor(VECTOR)]
    return Node(name, inputs, [Tensor((1, 2, 8))], options)


def padding(name):
    inputs = [Tensor(IMAGE), integers([0, 0], [1, 1], [1, 1], [0, 0])]
    return Node(name, inputs, [Tensor((1, 6, 6, 8))])


def prelu(name):
    return Node(name, [Tensor(IMAGE), weights(1, 1, 8)], [Tensor(IMAGE)])


def split(name):
    halves = [Tensor((1, 4, 4, 4)), Tensor((1, 4, 4, 4))]
    return Node(name, [integers(3), Tensor(IMAGE)], halves)


def strided_slice(name):
    inputs = [
        Tensor(VECTOR),
        integers(0, 0),
        integers(1, 4),
        integers(1, 1),
    ]
    options = schema.StridedSliceOptionsT()
    return Node(name, inputs, [Tensor((1, 4))], options)


def slicing(name):
    inputs = [Tensor(VECTOR), integers(0, 0), integers(1, 4)]
    return Node(name, inputs, [Tensor((1, 4))])


def directed(name):
    """An operation with one more input that says how: a shape, a size."""
    return Node(name, [Tensor(IMAGE), integers(4, 4)], [Tensor(IMAGE)])


def softmax(name):
    return Node(name, [Tensor(VECTOR)], [Tensor(VECTOR)])


def lstm(name):
    state = Tensor(VECTOR, "int16")
    state.is_variable = True
    return Node(name, [Tensor((1, 5, 8)), state], [Tensor((1, 5, 8))])


SPECIAL = {
    "AVERAGE_POOL_2D": pool,
    "CONCATENATION": concatenation,
    "CONV_2D": conv,
    "DEPTHWISE_CONV_2D": depthwise,
    "EXPAND_DIMS": directed,
    "FULLY_CONNECTED": dense,
    "LSTM": lstm,
    "MAX_POOL_2D": pool,
    "MEAN": reduction,
    "PACK": packing,
    "PAD": padding,
    "PRELU": prelu,
    "REDUCE_MAX": reduction,
    "REDUCE_MIN": reduction,
    "RESHAPE": directed,
    "RESIZE_BILINEAR": directed,
    "RESIZE_NEAREST_NEIGHBOR": directed,
    "SLICE": slicing,
    "SOFTMAX": softmax,
    "SPLIT": split,
    "STRIDED_SLICE": strided_slice,
    "SUM": reduction,
    "TRANSPOSE": directed,
    "TRANSPOSE_CONV": transpose_conv,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": lstm,
} | dict.fromkeys(
    ["ADD", "MAXIMUM", "MINIMUM", "MUL", "SQUARED_DIFFERENCE", "SUB"], binary
)


def sound(name):
    return SPECIAL.get(name, plain)(name)


# How each limit is broken, and a word of the reason.


def fuse_activation(node):
    node.options.fusedActivationFunction = 1
    return "fused activation"


def add_a_constant_that_is_not_zero(node):
    node.inputs[1].values += 1
    return "all zeros"


def dilate_one_side(node):
    node.options.dilationHFactor = 2
    return "its dilations [2, 1] differ"


def shuffle_weights(node):
    node.options.weightsFormat = 1
    return "shuffled"


def give_two_dimensions_to_the_output(node):
    node.outputs[0].shape = (3, 4)
    return "output [3, 4]"


def give_two_dimensions_to_the_input(node):
    node.inputs[0].shape = (3, 4)
    return "input [3, 4]"


def give_too_many_elements_to_the_input(node):
    node.inputs[0].shape = (1, 16001)
    return "16,001 elements"


def give_two_dimensions_to_alpha(node):
    node.inputs[1].shape = (4, 1, 8)
    return "alpha [4, 1, 8]"


def give_parameters_that_are_computed(node):
    place = OPERATIONS[node.name]["limits"]["constant_inputs"][-1]
    node.inputs[place] = Tensor((1, 1, 8))
    return f"input {place} must be a constant"


def reduce_the_batch(node):
    node.inputs[1].values[0] = -4
    return "reduces the batch"


def reduce_a_depth_of_6(node):
    node.inputs[0].shape = (1, 4, 4, 6)
    node.inputs[1].values[0] = -1
    return "6, is no multiple of 4"


def work_along_the_batch(node):
    node.options.axis = -3
    return "along the batch"


def split_the_batch(node):
    node.inputs[0].values[0] = -4
    return "along the batch"


def pad_the_batch(node):
    node.inputs[1].values[0, 1] = 1
    return "pads the batch"


def take_each_second(node):
    node.inputs[3].values[1] = 2
    return "strides [1, 2]"


def skip_with_an_ellipsis(node):
    node.options.ellipsisMask = 1
    return "an ellipsis"


def compute_the_state(node):
    node.inputs[1].is_variable = False
    return "its input 1 is int16"


BREAKS = {
    "no_fused_activation": fuse_activation,
    "constant_is_padding": add_a_constant_that_is_not_zero,
    "same_dilation": dilate_one_side,
    "default_weights_format": shuffle_weights,
    "one_dimensional_output": give_two_dimensions_to_the_output,
    "one_dimensional_input": give_two_dimensions_to_the_input,
    "one_dimensional_alpha": give_two_dimensions_to_alpha,
    "max_input_elements": give_too_many_elements_to_the_input,
    "constant_inputs": give_parameters_that_are_computed,
    "no_reduced_batch": reduce_the_batch,
    "reduced_depth_multiple": reduce_a_depth_of_6,
    "axis_is_not_batch": work_along_the_batch,
    "split_axis_is_not_batch": split_the_batch,
    "no_padded_batch": pad_the_batch,
    "unit_strides": take_each_second,
    "no_ellipsis_or_new_axis": skip_with_an_ellipsis,
    "state_dtypes": compute_the_state,
}
LIMITED = [
    (name, limit)
    for name, rule in OPERATIONS.items()
    for limit in rule["limits"]
]


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_supported_operation_maps(lint, name):
    row = lint(sound(name)).rows[0]
    assert (row.index, row.op, row.maps, row.reason) == (0, name, True, "")


@pytest.mark.parametrize(
    ("name", "limit"), LIMITED, ids=[f"{n}-{limit}" for n, limit in LIMITED]
)
def test_an_operation_beyond_a_limit_does_not_map(lint, name, limit):
    node = sound(name)
    word = BREAKS[limit](node)
    row = lint(node).rows[0]
    assert not row.maps
    assert word in row.reason


def test_a_new_axis_does_not_map(lint):
    node = sound("STRIDED_SLICE")
    node.options.newAxisMask = 1
    assert "new axis" in lint(node).rows[0].reason


def test_a_depth_that_is_a_multiple_of_4_is_reduced(lint):
    node = sound("MEAN")
    node.inputs[1].values[0] = 3
    assert lint(node).mapped == 1


def test_zeros_of_a_constant_are_those_of_its_scale(lint):
    node = sound("CONCATENATION")
    node.inputs[1].values += 5
    node.inputs[1].zero_point = 5
    assert lint(node).mapped == 1
    node.inputs.append(Tensor(IMAGE))
    assert "beside one other input" in lint(node).rows[0].reason


@pytest.mark.parametrize("name", VERSIONED)
def test_a_younger_version_makes_the_compiler_refuse_the_file(lint, name):
    node, other = sound(name), plain("RELU")
    other.inputs = node.outputs[:1]
    node.version = VERSIONED[name]["max_version"]
    assert lint(node, other).parses
    node.version += 1
    refused = lint(node, other)
    reason = (
        f"{name} has version {node.version}, the compiler reads up to "
        f"{node.version - 1}"
    )
    assert refused.refusals == (f"#0 {reason}",)
    assert (refused.parses, refused.mapped) == (False, 0)
    assert refused.rows[0].reason == reason
    assert refused.rows[0].version == node.version
    assert refused.rows[1].reason == "the file is refused"
    assert refused.weight_bytes == 0


def test_an_operation_younger_than_the_compiler_is_refused(lint):
    found = lint(plain("GELU"))
    assert found.refusals == ("#0 GELU is younger than the compiler",)


@pytest.mark.parametrize(
    ("version", "is_read"),
    [
        (("CONV_2D", 5), True),
        (("CONV_2D", 6), False),
        (("QUANTIZE", 2), True),
        (("QUANTIZE", 3), False),
        (("TRANSPOSE_CONV", 3), True),
        (("TRANSPOSE_CONV", 4), False),
        (("EXP", 1), True),
        (("EXP", 2), False),
    ],
    ids=str,
)
def test_versions_that_issues_report_are_told_apart(lint, version, is_read):
    node = sound(version[0])
    node.version = version[1]
    assert lint(node).parses == is_read


def test_each_entry_has_a_known_source_and_status():
    entries = [*VERSIONED.values()]
    entries += [*RULES["file"].values(), *RULES["tensors"].values()]
    for entry in entries:
        assert entry["status"] in {"documented", "observed", "estimate"}
        sources = {entry["source"], entry.get("version_source", "table")}
        assert sources <= RULES["sources"].keys()
    assert all(u.startswith("https://") for u in RULES["sources"].values())


def test_each_limit_of_the_rules_has_a_function():
    limits = {limit for _, limit in LIMITED} - {"state_dtypes"}
    assert limits == edgetpu_limits.LIMITS.keys()


def test_types_other_than_8_bits_do_not_map(lint):
    for dtype in ("float32", "int16", "int32", "bool"):
        node = plain("RELU")
        node.outputs[0].dtype = dtype
        assert lint(node).rows[0].reason == f"its output 0 is {dtype}"
    node = plain("RELU")
    node.inputs[0].dtype = node.outputs[0].dtype = "uint8"
    assert lint(node).mapped == 1


def test_quantize_maps_between_8_bit_types_only(lint):
    node = plain("QUANTIZE")
    node.inputs[0].dtype = "uint8"
    assert lint(node).mapped == 1
    node.inputs[0].dtype = "float32"
    assert lint(node).rows[0].reason == "its input 0 is float32"
    node = plain("DEQUANTIZE")
    node.outputs[0].dtype = "float32"
    assert lint(node).rows[0].reason == "the operation is not supported"


def test_weights_of_other_types_do_not_map(lint):
    node = conv("CONV_2D")
    node.inputs[1] = Tensor((1, 1), "float32", np.ones((1, 1), np.float32))
    assert lint(node).rows[0].reason == "its input 1 is float32"
    node.inputs[1] = weights(8, 3, 3, 8)
    node.inputs[1].is_sparse = True
    assert "stored without its zeros" in lint(node).rows[0].reason


def test_open_dimensions_do_not_map(lint):
    node = plain("RELU")
    node.inputs[0].signature = (-1, 4, 4, 8)
    reason = "its input 0 [-1, 4, 4, 8] has no fixed shape"
    assert lint(node).rows[0].reason == reason


def test_only_the_three_innermost_dimensions_may_be_above_1(lint):
    for shape in ((2, 4, 4, 8), (1, 2, 4, 4, 8)):
        node = plain("RELU")
        node.inputs[0].shape = shape
        assert "3 innermost dimensions" in lint(node).rows[0].reason
    node.inputs[0].shape = node.outputs[0].shape = (1, 1, 4, 4, 8)
    assert lint(node).mapped == 1


def chain(*names):
    nodes = [plain(name) for name in names]
    for node, following in zip(nodes, nodes[1:], strict=False):
        following.inputs = node.outputs
    return nodes


def test_what_follows_an_unsupported_operation_runs_on_the_cpu(lint):
    found = lint(*chain("RELU", "HARD_SWISH", "RELU", "LEAKY_RELU", "TANH"))
    assert [row.maps for row in found.rows] == [True, *[False] * 4]
    assert [row.reason for row in found.rows[1:]] == [
        "the operation is not supported",
        "after #1 HARD_SWISH, which the CPU computes",
        "the operation is not supported",
        "after #3 LEAKY_RELU, which the CPU computes",
    ]
    assert (found.mapped, found.total) == (1, 5)
    assert found.first_cpu_op == found.rows[1]


def test_a_branch_that_does_not_depend_on_it_maps(lint):
    first, unsupported = chain("RELU", "HARD_SWISH")
    branch, joined = plain("TANH"), binary("ADD")
    branch.inputs = first.outputs
    joined.inputs = [*unsupported.outputs, *branch.outputs]
    found = lint(first, unsupported, branch, joined)
    assert [row.maps for row in found.rows] == [True, False, True, False]


def test_what_the_cpu_computes_at_the_beginning_ends_nothing(lint):
    cast, *rest = chain("QUANTIZE", "RELU", "TANH")
    cast.inputs[0].dtype = "float32"
    found = lint(cast, *rest)
    assert [row.maps for row in found.rows] == [False, True, True]
    assert found.first_cpu_op.op == "QUANTIZE"


def test_custom_operations_do_not_map(lint):
    found = lint(*chain("MyOperation", "edgetpu-custom-op"))
    assert [row.reason for row in found.rows] == [
        "the operation is not supported",
        "it is compiled already",
    ]


def test_weights_count_once_and_of_what_maps_only(lint):
    first, second, third = conv("CONV_2D"), conv("CONV_2D"), conv("CONV_2D")
    second.inputs = [*first.outputs, *first.inputs[1:]]
    third.inputs[0] = second.outputs[0]
    third.options.dilationWFactor = 3
    found = lint(first, second, third)
    assert found.mapped == 2
    assert found.weight_bytes == 8 * 3 * 3 * 8 + 4 * 8
    assert found.streamed_bytes == 0


def test_weights_beyond_the_chip_are_streamed(lint):
    node = dense("FULLY_CONNECTED")
    node.inputs[1] = weights(1000, 9000)
    found = lint(node)
    assert found.weight_bytes == 9_000_000 + 4 * 4
    assert found.streamed_bytes == found.weight_bytes - 8_000_000


def test_an_int8_convnet_maps_whole(converted, lint_bytes):
    found = lint_bytes(converted("conv_int8").data)
    assert found.parses
    assert found.mapped == found.total > 5
    assert found.first_cpu_op is None


def test_a_version_patched_into_a_real_file_is_refused(converted, lint_bytes):
    model = parse(converted("conv_int8").data)
    model.operatorCodes[0].version = 6
    found = lint_bytes(pack(model))
    assert found.refusals[0].startswith("#0 CONV_2D has version 6")
    assert found.mapped == 0


def test_nothing_of_a_float_file_maps(converted, lint_bytes):
    found = lint_bytes(converted("dense").data)
    assert (found.mapped, found.weight_bytes) == (0, 0)
    assert found.first_cpu_op.reason == "its input 0 is float32"


def test_nothing_of_a_dynamic_range_file_maps(convert, lint_bytes):
    dense = keras.layers.Dense(32)
    model = keras.Sequential([keras.Input((64,), batch_size=1), dense])
    data = convert(model, optimizations=[tf.lite.Optimize.DEFAULT])
    found = lint_bytes(data)
    assert (found.mapped, found.total) == (0, 1)


def test_loops_run_on_the_cpu(converted, lint_bytes):
    found = lint_bytes(converted("lstm").data)
    assert found.mapped == 0


def test_a_graph_without_operations_maps_nothing(converted, lint_bytes):
    model = parse(converted("dense").data)
    model.subgraphs[0].operators = []
    found = lint_bytes(pack(model))
    assert (found.mapped, found.total, found.first_cpu_op) == (0, 0, None)


def test_operators_without_inputs_are_read(lint):
    for name in OPERATIONS:
        assert lint(Node(name, [], [Tensor(IMAGE)])).total == 1
        assert lint(Node(name, [Tensor(())], []), plain("RELU")).total == 2


def test_a_missing_file_and_a_damaged_one_are_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="`path`"):
        lint_edgetpu(tmp_path / "missing.tflite")
    path = tmp_path / "cut.tflite"
    path.write_bytes(build(chain("RELU", "TANH"))[:200])
    with pytest.raises(ValueError, match="complete"):
        lint_edgetpu(path)


def test_neither_keras_nor_tensorflow_is_imported():
    modules = ["lint", "compiler_log", "compiler"]
    script = "; ".join(
        [
            *(f"import keras_eff.edgetpu.{name}" for name in modules),
            "import sys",
            "sys.exit(any(n in sys.modules for n in ('keras', 'tensorflow')))",
        ]
    )
    subprocess.run([sys.executable, "-c", script], check=True)
