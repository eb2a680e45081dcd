"""State that a model changes when it runs, of which a file holds none."""

import re

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from keras_eff.graph.samples import batches

_ELSEWHERE = "state that no layer lists, as Keras's global seed"
_DRAW = re.compile(
    "Stateless(?!.*(GetKey|GetAlg)).*(Random|Normal|Multinomial)"
)


def state_in_outputs(model, samples, batch_size: int) -> list[str]:
    """Names the layers whose state the model changes and its outputs show.

    Those that draw random numbers at inference, and recurrent ones that go on
    where the last batch ended. A file starts from one state, always the same.
    One that is changed and not shown, as by dropout, has no part in a file.
    """
    batch = next(batches(model, cycled(samples, batch_size), batch_size))
    before, changed = _run(model, batch, {})
    if not changed or _same(before, _run(model, batch, changed)[0]):
        return []
    names = []
    for layer in model.layers:
        own = {id(v): changed.pop(id(v), None) for v in layer.variables}
        own = {key: value for key, value in own.items() if value is not None}
        if own and not _same(before, _run(model, batch, own)[0]):
            names.append(layer.name)
    if changed and not _same(before, _run(model, batch, changed)[0]):
        names.append(_ELSEWHERE)
    return names


def warn_of_state(names) -> None:
    """Says what becomes of the state of these layers in a file."""
    if names:
        logging.warning(
            "to_tflite: a file changes no state: each run starts from what the "
            "model holds now, and random numbers are one draw, stored in the "
            "file: %s",
            ", ".join(names),
        )


def cycled(samples, batch_size):
    """Whole batches of samples, the last one repeated, as a file is run."""
    count = len(samples[0])
    rows = np.arange(-(-count // batch_size) * batch_size).clip(max=count - 1)
    return [array[rows] for array in samples]


def _run(model, batch, state):
    """The outputs from another state, and the state after them."""
    scope = keras.StatelessScope()
    scope.state_mapping.update(state)
    with scope:
        outputs = keras.tree.flatten(model(batch, training=False))
        outputs = [keras.ops.convert_to_numpy(x) for x in outputs]
    return outputs, scope.state_mapping


def _same(first, second):
    pairs = zip(first, second, strict=True)
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


def with_stored_draws(function, specs):
    """The `tf.function`, in which random numbers are constants.

    No runtime of files draws numbers as Keras does. Those that are drawn in
    loops, or with arguments that the inputs determine, stay.
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
