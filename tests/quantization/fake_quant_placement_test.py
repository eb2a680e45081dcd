import keras
import numpy as np
from keras import layers

from keras_eff.graph.walk import readers_of
from keras_eff.layers import FakeQuant
from keras_eff.layers import TransformedWeights
from keras_eff.layers.cloning import layers_of
from keras_eff.layers.keep_float import KeepFloat
from keras_eff.quantization.fake_quant_placement import Placement
from keras_eff.quantization.rules import RULES


def placed(model, keeps=(), input_range=None):
    """The placement of a model, and the new model."""
    placement = Placement(
        RULES, lambda op: op.name in keeps, lambda op: 8, {}, input_range
    )
    return placement, placement.rewrite(model)


def functional(function, *shapes):
    inputs = [keras.Input(shape) for shape in shapes]
    outputs = function(*inputs)
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs)


def names(model):
    return [op.name for op in model.operations[1:]]


def dense(name, **options):
    return layers.Dense(4, name=name, **options)


def test_a_tensor_read_by_several_is_rounded_once():
    def fork(x):
        y = dense("a")(x)
        return [dense("b")(y), dense("c")(y), y]

    _, model = placed(functional(fork, (4,)))
    assert len(layers_of(model, FakeQuant)) == 4
    rounding = model.get_layer("a_fake_quant")
    readers = readers_of(model, rounding.output)
    assert {reader.name for reader in readers} == {"b", "c"}
    assert model.outputs[2] is rounding.output


def test_a_part_of_what_is_read_elsewhere_is_rounded_by_itself():
    def fork(x):
        y = dense("a")(x)
        return layers.Concatenate()([layers.ReLU()(y), y])

    _, model = placed(functional(fork, (4,)))
    assert "a_fake_quant" in names(model)


def test_inputs_and_outputs_are_rounded():
    _, model = placed(functional(lambda a, b: [a, dense("x")(b)], (4,), (4,)))
    for tensor in model.outputs:
        assert isinstance(tensor._keras_history.operation, FakeQuant)
    for tensor in model.inputs:
        (reader,) = readers_of(model, tensor)
        assert isinstance(reader, FakeQuant)


def test_the_input_range_is_for_float_inputs_of_the_whole_model():
    inner = keras.Sequential([keras.Input((4,)), dense("inner")])
    ids = keras.Input((2,), dtype="int32")
    floats = keras.Input((4,))
    table = layers.Flatten()(layers.Embedding(5, 2)(ids))
    model = keras.Model([ids, floats], layers.Add()([inner(floats), table]))
    _, new = placed(model, input_range=(0, 255))
    fixed = [x for x in layers_of(new, FakeQuant) if x.fixed_range]
    assert [x.fixed_range for x in fixed] == [(0.0, 255.0)]
    assert readers_of(new, new.inputs[1]) == fixed


def test_a_nested_model_reads_and_returns_what_is_rounded():
    inner = keras.Sequential([keras.Input((4,)), dense("a")], name="inner")
    model = functional(lambda x: inner(inner(x)), (4,))
    _, new = placed(model)
    nested = new.get_layer("inner")
    assert names(nested) == ["a", "a_fake_quant"]
    assert len(layers_of(new, FakeQuant)) == 2


def test_a_fake_quant_by_hand_is_kept_and_not_doubled():
    by_hand = FakeQuant(num_bits=4, name="mine")
    model = keras.Sequential(
        [
            keras.Input((4,)),
            FakeQuant(fixed_range=(-1, 1), name="first"),
            dense("a"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(name="relu"),
            by_hand,
            layers.Activation("sigmoid", name="gate"),
            FakeQuant(name="last"),
        ]
    )
    by_hand.set_range(0.0, 3.0)
    _, new = placed(model)
    assert names(new) == [layer.name for layer in model.layers]
    assert new.get_layer("mine").num_bits == 4
    assert new.get_layer("mine").range == (0.0, 3.0)
    assert new.get_layer("mine") is not by_hand


def test_a_fake_quant_by_hand_behind_float_is_kept_apart():
    model = keras.Sequential(
        [keras.Input((4,)), layers.ELU(name="elu"), FakeQuant(name="mine")]
    )
    _, new = placed(model)
    assert names(new)[1:] == ["elu", "elu_keep_float", "mine"]


def test_what_is_kept_stays_float_along_with_what_follows_it():
    def block(x):
        x = dense("a")(x)
        return dense("b")(layers.ReLU()(layers.BatchNormalization()(x)))

    placement, model = placed(functional(block, (4,)), keeps=("a",))
    assert placement.floats == {"a": "skipped"}
    assert placement.integer == ["b"]
    assert not isinstance(model.get_layer("a"), TransformedWeights)
    assert isinstance(model.get_layer("b"), TransformedWeights)


def test_a_kept_layer_is_part_of_nothing():
    model = functional(lambda x: layers.ReLU(name="relu")(dense("a")(x)), (4,))
    placement, new = placed(model, keeps=("relu",))
    assert placement.floats == {"relu": "skipped"}
    assert names(new)[1:3] == ["a", "a_fake_quant"]


def test_float_parts_have_the_dtype_of_what_they_read():
    with_half = functional(layers.ELU(dtype="mixed_float16"), (4,))
    _, model = placed(with_half)
    (keep,) = layers_of(model, KeepFloat)
    assert keep.output.dtype == "float16"


def test_names_are_apart_from_those_of_the_model():
    model = functional(lambda x: dense("a_fake_quant")(dense("a")(x)), (4,))
    _, new = placed(model)
    assert len(set(names(new))) == len(names(new)) == 5


def test_several_outputs_of_one_operation_are_told_apart():
    class Halves(layers.Layer):
        def call(self, x):
            return x[:, :2], x[:, 2:]

    def halves(x):
        first, second = Halves(name="halves")(x)
        return [dense("a")(first), dense("b")(second)]

    placement, model = placed(functional(halves, (4,)))
    assert len(layers_of(model, KeepFloat)) == 2
    assert placement.floats == {"halves": f"{__name__}.Halves"}
    model(np.ones((1, 4), "float32"))
