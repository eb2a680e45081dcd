"""A part of a Keras model as the graph of TensorFlow that is converted."""

import keras
import tensorflow as tf

# The converter rounds what they return to a range of its own.
_BOUNDED = ("LogSoftmax", "Sigmoid", "Softmax", "Tanh")
# What has the scale of its input, so that this range goes on through it.
_MOVING = (
    "ConcatV2",
    "DepthToSpace",
    "ExpandDims",
    "GatherV2",
    "Identity",
    "Max",
    "MaxPool",
    "Maximum",
    "Min",
    "Minimum",
    "MirrorPad",
    "Pack",
    "Pad",
    "PadV2",
    "Reshape",
    "ResizeBilinear",
    "ResizeNearestNeighbor",
    "Select",
    "SelectV2",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Squeeze",
    "StridedSlice",
    "Tile",
    "TopKV2",
    "Transpose",
    "Unpack",
)
# What is inside is not looked at.
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")


def operator_types(inputs: list, outputs) -> set:
    """The types of operators between symbolic tensors, inner graphs' too."""
    graph = _graph(inputs, outputs)
    bodies = graph.as_graph_def().library.function
    inner = {node.op for body in bodies for node in body.node_def}
    return inner | {operator.type for operator in graph.get_operations()}


def ends_bounded(inputs: list, outputs) -> bool:
    """Whether softmax, sigmoid or tanh makes what is returned, or may."""
    waiting = [x.op for x in _graph(inputs, outputs).outputs]
    while waiting:
        operator = waiting.pop()
        if operator.type in (*_BOUNDED, *_CALLS):
            return True
        if operator.type in _MOVING:
            waiting += [x.op for x in operator.inputs]
    return False


def _graph(inputs, outputs):
    part = keras.Function(inputs, outputs)
    specs = [tf.TensorSpec(_one(x.shape), x.dtype) for x in inputs]

    @tf.function(input_signature=specs, autograph=False)
    def run(*arrays):
        return part(list(arrays))

    return run.get_concrete_function().graph


def _one(shape):
    """The shape of one sample, where the batch is open."""
    return (1, *shape[1:]) if shape[:1] == (None,) else shape
