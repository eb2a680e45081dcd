"""Random numbers of a TensorFlow function, drawn before it is converted."""

import re

import tensorflow as tf

_DRAW = re.compile(
    "Stateless(?!.*(GetKey|GetAlg)).*(Random|Normal|Multinomial)"
)


def with_stored_draws(function, specs):
    """The `tf.function`, in which random numbers are constants.

    No runtime of files draws numbers as Keras does. Those that are drawn in
    loops, or with arguments that the inputs determine, stay.

    Args:
        function: `tf.function` of arrays that returns a list of tensors.
        specs: List of `tf.TensorSpec`, its arguments.
    """
    concrete = function.get_concrete_function()
    names = _draws(concrete)
    if not names:
        return function
    graph = concrete.graph.as_graph_def()
    values = _values(concrete, graph, names)
    for node in graph.node:
        if node.name in values:
            _make_constant(node, values[node.name])

    @tf.function(input_signature=specs, autograph=False)
    def run(*arrays):
        ends = [x.name for x in concrete.outputs]
        return _imported(concrete, graph, arrays, ends)

    return run


def _draws(concrete):
    """The names of the operations that draw, whatever the inputs are."""
    own = len(concrete.inputs) - len(concrete.captured_inputs)
    computed = {x.op.name for x in concrete.inputs[:own]}
    names = []
    for operation in concrete.graph.get_operations():
        if any(x.op.name in computed for x in operation.inputs):
            computed.add(operation.name)
        elif _DRAW.match(operation.type):
            names.append(operation.name)
    return names


def _values(concrete, graph, names):
    part = tf.compat.v1.graph_util.extract_sub_graph(graph, names)

    @tf.function(autograph=False)
    def draw():
        return _imported(concrete, part, (), [f"{name}:0" for name in names])

    return dict(zip(names, draw(), strict=True))


def _imported(concrete, graph, arrays, ends):
    """What a graph computes, with the variables of a function."""
    for variable in concrete.variables:
        # The converter freezes what a function reads by itself.
        variable.read_value()
    capture = tf.compat.v1.get_default_graph().capture
    given = [*arrays, *map(capture, concrete.captured_inputs)]
    # The variables come behind the arguments.
    places = concrete.inputs[len(concrete.inputs) - len(given) :]
    inputs = {x.name: value for x, value in zip(places, given, strict=True)}
    own = {x.op.name for x in places}
    nodes = [node for node in graph.node if node.name not in own]
    read = {name.split(":")[0] for node in nodes for name in node.input}
    part = tf.compat.v1.GraphDef(
        node=nodes, library=graph.library, versions=graph.versions
    )
    return tf.import_graph_def(
        part,
        input_map={k: v for k, v in inputs.items() if k.split(":")[0] in read},
        return_elements=ends,
    )


def _make_constant(node, value):
    node.op = "Const"
    del node.input[:]
    node.attr.clear()
    node.attr["dtype"].type = value.dtype.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
