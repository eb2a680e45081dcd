import json

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_eff.graph.cloning import clone
from keras_eff.graph.walk import calls
from keras_eff.graph.walk import check_graph
from keras_eff.graph.walk import copy_bare
from keras_eff.graph.walk import input_names
from keras_eff.graph.walk import is_graph
from keras_eff.graph.walk import mask_of
from keras_eff.graph.walk import nested_calls
from keras_eff.graph.walk import pack_inputs
from keras_eff.graph.walk import producer
from keras_eff.graph.walk import readers_of
from keras_eff.graph.walk import rebuild
from keras_eff.graph.walk import replay
from keras_eff.layers.cloning import layers_of


class TrainStep(keras.Model):
    def train_step(self, *args):
        return super().train_step(*args)


class OwnCall(keras.Model):
    def call(self, inputs, training=None):
        return super().call(inputs, training=training) * 2.0


class OwnConstructor(keras.Model):
    def __init__(self, units):
        inputs = keras.Input((3,))
        super().__init__(inputs, layers.Dense(units)(inputs))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, inputs):
        return self.dense(inputs)


class Legacy:
    """Looks like a model of Keras 2."""


Legacy.__module__ = "tf_keras.src.engine.functional"


def branches():
    """Two inputs, two outputs, a shared layer and bare operations."""
    first = keras.Input((3,), name="first")
    second = keras.Input((3,), name="second")
    dense = layers.Dense(3, name="dense")
    left, right = dense(first), dense(second)
    total = layers.Add(name="add")([left, right])
    return keras.Model([first, second], [total, left[:, :2] * 2.0])


def copier():
    """A rule that copies operations; a shared layer stays shared."""
    copies = {}

    def rule(call):
        operation = call.operation
        copy = copies.setdefault(operation, clone(operation))
        return copy(*call.args, **call.kwargs)

    return rule


def operation_copy(call):
    return copier()(call)


def inbound_nodes(model):
    return {op.name: len(op._inbound_nodes) for op in model.operations}


def test_the_private_attributes_of_keras_are_there():
    ids = keras.Input((4,))
    table = layers.Embedding(5, 3, mask_zero=True)
    vectors = table(ids)
    model = keras.Model({ids.name: ids}, [vectors])
    assert model._inputs_struct[ids.name] is ids
    assert model._outputs_struct[0] is vectors
    assert [n for nodes in model._nodes_by_depth.values() for n in nodes]
    assert vectors._keras_history.operation is table
    assert vectors._keras_history.node_index == 0
    assert vectors._keras_mask.dtype == "bool"
    (node,) = table._inbound_nodes
    assert table._outbound_nodes == []
    assert node.operation is table
    assert node.input_tensors[0] is ids
    assert node.outputs[0] is vectors
    assert not node.is_input
    assert node.arguments.fill_in({id(ids): 7}) == ((7,), {})
    assert list(model._flatten_layers())[0] is model


def test_calls_come_in_order_with_their_readers():
    found = [
        (node.operation.name, {getattr(r, "name", None) for r in readers})
        for node, readers in calls(branches())
    ]
    names = [name for name, _ in found]
    last = len(names) - 1 - names[::-1].index("dense")
    assert names.count("dense") == 2 and last < names.index("add")
    assert ("dense", {"add"}) in found
    assert ("add", {None}) in found


def test_readers_of_a_tensor_are_the_operations_that_take_it():
    model = branches()
    assert readers_of(model, model.inputs[0]) == [model.get_layer("dense")]
    assert readers_of(model, model.outputs[0]) == []


def test_sequential_and_functional_models_are_graphs():
    inputs = keras.Input((3,))
    outputs = layers.Dense(2)(inputs)
    assert is_graph(keras.Sequential([inputs, layers.Dense(2)]))
    assert is_graph(keras.Model(inputs, outputs))
    assert is_graph(TrainStep(inputs, outputs))
    assert is_graph(OwnConstructor(2))
    assert not is_graph(OwnCall(inputs, outputs))
    assert not is_graph(Subclassed())
    assert not is_graph(layers.Dense(2))


def own_call():
    inputs = keras.Input((3,))
    return OwnCall(inputs, layers.Dense(2)(inputs))


@pytest.mark.parametrize(
    "make, error, message",
    [
        (Subclassed, ValueError, "`f` needs the graph .*Subclassed"),
        (own_call, ValueError, "hides in its `call`.*OwnCall"),
        (Legacy, TypeError, r"Keras 2 .*tf_keras.*\.Legacy"),
        (layers.Flatten, TypeError, "takes a `keras.Model`.*Flatten"),
    ],
)
def test_what_is_not_a_graph_is_refused_by_class(make, error, message):
    with pytest.raises(error, match=message):
        check_graph(make(), "f")


def test_an_unbuilt_model_is_refused():
    model = keras.Sequential([layers.Dense(2)], name="mine")
    with pytest.raises(ValueError, match=r"`keras.Input`.*'mine', not built"):
        check_graph(model, "f")
    model.build((None, 3))
    check_graph(model, "f")


def test_a_rebuilt_model_computes_the_same_and_leaves_the_old_alone():
    model = branches()
    before = inbound_nodes(model)
    copy = rebuild(model, copier())
    assert inbound_nodes(model) == before
    assert copy is not model and copy.name == model.name
    assert not set(copy.operations) & set(model.operations)
    assert [x.name for x in copy.inputs] == ["first", "second"]
    assert copy.output_names == model.output_names


def test_the_ends_of_a_rebuilt_model_can_be_changed():
    model = keras.Sequential([keras.Input((3,)), layers.ReLU()])
    copy = rebuild(
        model,
        operation_copy,
        on_input=lambda tensor: tensor - 1.0,
        on_output=lambda tensor: tensor * 10.0,
    )
    outputs = copy(np.array([[0.0, 1.0, 3.0]], "float32"))
    np.testing.assert_allclose(outputs, [[0.0, 0.0, 20.0]])


def test_structures_of_inputs_and_outputs_are_kept():
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    outputs = {"sum": layers.Add()([a, b]), "rest": [layers.ReLU()(a)]}
    model = keras.Model({"a": a, "b": b}, outputs)
    copy = rebuild(model, operation_copy)
    ones = np.ones((1, 2), "float32")
    result = copy({"a": ones, "b": 2 * ones})
    assert set(result) == {"sum", "rest"} and len(result["rest"]) == 1
    np.testing.assert_allclose(result["sum"], 3 * ones)


def test_inputs_keep_shape_dtype_and_name():
    inputs = keras.Input(batch_shape=(4, None), dtype="int32", name="ids")
    model = keras.Model(inputs, layers.Embedding(5, 2)(inputs))
    (new,) = rebuild(model, operation_copy).inputs
    assert (new.shape, new.dtype, new.name) == ((4, None), "int32", "ids")


def test_the_methods_of_the_class_of_a_model_are_kept():
    inputs = keras.Input((3,))
    model = TrainStep(inputs, layers.Dense(2)(inputs))
    assert type(rebuild(model, operation_copy)) is TrainStep


@pytest.mark.parametrize(
    "model",
    [
        OwnConstructor(2),
        keras.Sequential([keras.Input((3,)), layers.Dense(2)]),
    ],
    ids=["own constructor", "sequential"],
)
def test_a_class_that_cannot_be_made_from_a_graph_becomes_a_plain_model(model):
    copy = rebuild(model, operation_copy)
    assert isinstance(copy, keras.Model) and isinstance(copy, keras.Function)
    assert not isinstance(copy, (OwnConstructor, keras.Sequential))


def test_bare_operations_with_names_from_another_session_stay_apart():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, ops.multiply(inputs, 2.0))
    before = model.operations[-1].name
    # That of the one to come here.
    name = (
        f"multiply_{int('0' + before.removeprefix('multiply').strip('_')) + 1}"
    )
    config = json.loads(json.dumps(model.get_config()).replace(before, name))
    loaded = keras.Model.from_config(config)

    def twice(call):
        return ops.multiply(operation_copy(call), 5.0)

    copy = rebuild(loaded, twice)
    assert len({op.name for op in copy.operations}) == 3
    np.testing.assert_allclose(copy(np.ones((1, 3))), 10 * np.ones((1, 3)))


def test_replay_calls_the_rule_on_given_tensors():
    model = keras.Sequential([keras.Input((3,)), layers.ReLU()])
    outputs = replay(model, [keras.Input((3,))], operation_copy)
    assert producer(outputs).name == model.layers[0].name


def test_a_call_tells_its_tensors_and_replaces_them():
    def rule(call):
        assert call.args[0] == 3.0 and len(call.tensors) == 1
        return operation_copy(call.replaced(ops.abs))

    inputs = keras.Input((3,))
    copy = rebuild(keras.Model(inputs, 3.0 - inputs), rule)
    np.testing.assert_allclose(copy(-np.ones((1, 3))), 2 * np.ones((1, 3)))


def test_a_call_knows_whether_a_mask_changes_what_it_computes():
    ids = keras.Input((4,), dtype="int32")
    x = layers.Embedding(5, 3, mask_zero=True)(ids)
    y = layers.GlobalAveragePooling1D()(layers.Activation("relu")(x))
    masked = {}

    def rule(call):
        masked[type(call.operation).__name__] = call.is_masked
        return operation_copy(call)

    rebuild(keras.Model(ids, y), rule)
    assert masked["GlobalAveragePooling1D"]
    assert not masked["Activation"] and not masked["Embedding"]
    assert mask_of(x) is not None and mask_of(y) is None


def test_a_bare_operation_is_copied_without_its_calls():
    inputs = keras.Input((3,))
    operation = producer(ops.vectorized_map(lambda x: x * 2.0, inputs))
    copy = copy_bare(operation)
    assert len(operation._inbound_nodes) == 1 and not copy._inbound_nodes
    model = keras.Model(inputs, copy(inputs))
    np.testing.assert_allclose(model(np.ones((2, 3))), 2 * np.ones((2, 3)))
    assert len(operation._inbound_nodes) == 1


def test_calls_at_any_depth_tell_the_models_around_them():
    inner = keras.Sequential([keras.Input((3,)), layers.ReLU(name="relu")])
    outer = keras.Sequential([keras.Input((3,)), inner])
    model = keras.Sequential([keras.Input((3,)), outer, outer])
    found = [
        (node.operation.name, [x.name for x in around])
        for node, _, around in nested_calls(model)
    ]
    assert found == 2 * [
        (outer.name, []),
        (inner.name, [outer.name]),
        ("relu", [outer.name, inner.name]),
    ]


def test_layers_of_a_class_are_found_at_any_depth():
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    wrapped = layers.TimeDistributed(layers.Dense(4))
    inputs = keras.Input((5, 3))
    shared = layers.TimeDistributed(inner)
    model = keras.Model(inputs, [wrapped(inputs), shared(inputs)])
    assert len(layers_of(model, layers.Dense)) == 2


def test_inputs_are_named_and_packed_as_the_model_takes_them():
    a, b = keras.Input((1,), name="a"), keras.Input((1,), name="b")
    total = layers.Add()([a, b])
    listed = keras.Model([b, a], total)
    assert input_names(listed) == ["b", "a"]
    assert pack_inputs(listed, [1, 2]) == [1, 2]
    named = keras.Model({"b": b, "a": a}, total)
    arrays = {x.name: x.name for x in named.inputs}
    packed = pack_inputs(named, list(arrays.values()))
    assert packed == {"a": "a", "b": "b"}
    assert input_names(named) == [x.name for x in named.inputs]
    single = keras.Sequential([a, layers.ReLU()])
    assert pack_inputs(single, [1]) == 1
