"""Walks over the graph of a Sequential or Functional model.

The private attributes of Keras that this needs are read in this file alone,
and tests/graph/walk_test.py pins them.
"""

import dataclasses
import functools
import inspect
import itertools
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import keras


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of an operation in a model, seen while the model is rebuilt.

    `args` and `kwargs` hold the tensors of the new model. `consumers` are the
    operations of the old one that read what this call returned, `outputs`;
    None stands for an output of the model.
    """

    operation: keras.Operation
    args: tuple
    kwargs: dict
    consumers: tuple
    outputs: tuple = ()

    @functools.cached_property
    def tensors(self) -> list:
        """The new model's tensors among the arguments."""
        leaves = keras.tree.flatten((self.args, self.kwargs))
        return [x for x in leaves if isinstance(x, keras.KerasTensor)]

    @property
    def is_masked(self) -> bool:
        """Whether a Keras mask has a part in what the layer computes."""
        layer = self.operation
        if not isinstance(layer, keras.layers.Layer):
            return False
        takes_mask = "mask" in inspect.signature(layer.call).parameters
        masks = [self.kwargs.get("mask"), *map(mask_of, self.tensors)]
        return takes_mask and any(mask is not None for mask in masks)

    def replaced(self, function: Callable) -> "Call":
        """The same call with `function` applied to each of its tensors."""

        def apply(x):
            return function(x) if isinstance(x, keras.KerasTensor) else x

        return dataclasses.replace(
            self,
            args=keras.tree.map_structure(apply, self.args),
            kwargs=keras.tree.map_structure(apply, self.kwargs),
        )


def is_graph(operation: Any) -> bool:
    """Whether `operation` is a model whose graph can be walked."""
    if not isinstance(operation, keras.Model):
        return False
    if not isinstance(operation, (keras.Sequential, keras.Function)):
        return False
    return _is_of_keras(type(operation), "call")


def check_graph(model: Any, what: str) -> None:
    """Raises unless `model` is a built Sequential or Functional model."""
    kind = type(model)
    name = f"{kind.__module__}.{kind.__name__}"
    if not isinstance(model, keras.Model):
        legacy = any(c.__module__.startswith("tf_keras") for c in kind.__mro__)
        cause = (
            "It is a Keras 2 (`tf_keras`) model: build it with Keras 3."
            if legacy
            else "It is not a Keras 3 model."
        )
        raise TypeError(
            f"`{what}` takes a `keras.Model`. {cause} Received: {name}"
        )
    if not is_graph(model):
        raise ValueError(
            f"`{what}` needs the graph of a Sequential or Functional model, "
            "which a subclassed model hides in its `call`. Write it as "
            f"`keras.Model(inputs, outputs)`. Received: {name}"
        )
    if not model.built or not getattr(model, "inputs", None):
        raise ValueError(
            f"`{what}` needs a model that is built: give it a `keras.Input`, "
            f"or call `model.build(input_shape)`. Received: {name} "
            f"{model.name!r}, not built"
        )


def calls(model: keras.Model) -> list:
    """The calls of `model` in order, as pairs (node, consumers)."""
    graph = _functional(model)
    by_depth = graph._nodes_by_depth
    nodes = [n for d in sorted(by_depth, reverse=True) for n in by_depth[d]]
    nodes = [node for node in nodes if not node.is_input]
    readers = {}
    for node in nodes:
        for tensor in node.input_tensors:
            readers.setdefault(id(tensor), []).append(node.operation)
    for tensor in graph.outputs:
        readers.setdefault(id(tensor), []).append(None)
    return [
        (node, tuple(op for x in node.outputs for op in readers.get(id(x), ())))
        for node in nodes
    ]


def nested_calls(model: keras.Model, around: tuple = ()) -> Iterator:
    """The calls of `model`, and of models nested in it.

    Yields triples (node, consumers, around), of which the last is the tuple of
    the nested models that the call is in, the outermost first.
    """
    for node, consumers in calls(model):
        yield node, consumers, around
        if is_graph(node.operation):
            yield from nested_calls(node.operation, (*around, node.operation))


def rebuild(
    model: keras.Model,
    rule: Callable[[Call], Any],
    on_input: Callable = lambda tensor: tensor,
    on_output: Callable = lambda tensor: tensor,
    shapes: list | None = None,
) -> keras.Model:
    """A new model in which `rule` stands for each call of the old one.

    It is of the class of `model`, with the methods that the caller may have
    given it, unless that class is `keras.Sequential` or has a constructor of
    its own: then it is a plain `keras.Model`.

    `rule`: function from a `Call` to what the call returns in the new model
    (tensors in the structure of the old outputs). `on_input`: function from
    each input of the new model to the tensor that its readers get. `on_output`:
    function from each output to the tensor that is returned. `shapes`: shapes
    of the new inputs; by default those of the old ones.
    """
    graph = _functional(model)
    shapes = shapes or [x.shape for x in graph.inputs]
    inputs = list(map(_clone_input, graph.inputs, shapes))
    outputs = replay(model, [on_input(x) for x in inputs], rule)
    outputs = keras.tree.map_structure(on_output, outputs)
    _give_unique_names(keras.tree.flatten(outputs))
    inputs = keras.tree.pack_sequence_as(graph._inputs_struct, inputs)
    new = _class_of(model)(inputs, outputs, name=model.name)
    # The keys of dicts of losses: not the names of what `on_output` adds.
    new.output_names = list(graph.output_names)
    return new


def replay(model: keras.Model, inputs: list, rule: Callable[[Call], Any]):
    """What `model` returns for `inputs` when `rule` stands for each call."""
    graph = _functional(model)
    tensors = {
        id(old): new for old, new in zip(graph.inputs, inputs, strict=True)
    }
    for node, consumers in calls(model):
        args, kwargs = node.arguments.fill_in(tensors)
        old = tuple(node.outputs)
        outputs = rule(Call(node.operation, args, kwargs, consumers, old))
        new = keras.tree.flatten(outputs)
        tensors.update(zip(map(id, old), new, strict=True))
    return keras.tree.pack_sequence_as(
        graph._outputs_struct, [tensors[id(x)] for x in graph.outputs]
    )


def copy_bare(operation: keras.Operation) -> keras.Operation:
    """A copy, called nowhere yet, of an operation that is not a layer."""
    copy = object.__new__(type(operation))
    vars(copy).update(vars(operation), _inbound_nodes=[], _outbound_nodes=[])
    return copy


def producer(tensor) -> keras.Operation:
    """The operation that made a symbolic tensor."""
    return tensor._keras_history.operation


def source(tensor):
    """The first symbolic tensor of the call that made a symbolic tensor."""
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index].input_tensors[0]


def mask_of(tensor):
    """The Keras mask that travels with a symbolic tensor, or None."""
    return getattr(tensor, "_keras_mask", None)


def input_names(model) -> list:
    """What a dict of the model's inputs has as keys, in order of the inputs."""
    structure = _functional(model)._inputs_struct
    if isinstance(structure, dict):
        return keras.tree.flatten({key: key for key in structure})
    return [tensor.name for tensor in model.inputs]


def pack_inputs(model, arrays: list):
    """Arrays, in the order of `model.inputs`, in the structure it takes."""
    structure = _functional(model)._inputs_struct
    return keras.tree.pack_sequence_as(structure, arrays)


def pack_outputs(model, tensors: list):
    """Tensors, in the order of `model.outputs`, in the structure it returns."""
    structure = _functional(model)._outputs_struct
    return keras.tree.pack_sequence_as(structure, tensors)


def readers_of(model, tensor) -> list:
    """The operations of a model that read one of its symbolic tensors."""
    return [
        node.operation
        for node, _ in calls(model)
        if any(x is tensor for x in node.input_tensors)
    ]


def _functional(model):
    if isinstance(model, keras.Sequential):
        return keras.Model(model.inputs[0], model.outputs[0])
    return model


def _give_unique_names(outputs):
    """Numbers bare operations that have the name of another.

    Keras names them apart in a session, in which the model may not be made.
    """
    names = set()
    for operation in sorted(_operations_behind(outputs), key=_is_bare):
        name = operation.name
        for number in itertools.count(1):
            if not (_is_bare(operation) and operation.name in names):
                break
            operation.name = f"{name}_{number}"
        names.add(operation.name)


def _is_bare(operation):
    return not isinstance(operation, keras.layers.Layer)


def _operations_behind(tensors):
    nodes, waiting = {}, list(tensors)
    while waiting:
        history = waiting.pop()._keras_history
        node = history.operation._inbound_nodes[history.node_index]
        if id(node) not in nodes:
            nodes[id(node)] = node
            waiting.extend(node.input_tensors)
    return list(dict.fromkeys(node.operation for node in nodes.values()))


def _class_of(model):
    kind = type(model)
    is_plain = isinstance(model, keras.Sequential)
    if is_plain or not _is_of_keras(kind, "__init__"):
        return keras.Model
    return kind


def _is_of_keras(kind, method):
    """Whether a class inherits a method from Keras and does not override it."""
    owner = next(c for c in kind.__mro__ if method in vars(c))
    return owner.__module__.startswith("keras.")


def _clone_input(tensor, shape):
    layer = producer(tensor)
    return keras.Input(
        batch_shape=shape,
        dtype=tensor.dtype,
        sparse=tensor.sparse,
        ragged=tensor.ragged,
        name=layer.name,
        optional=getattr(layer, "optional", False),
    )
