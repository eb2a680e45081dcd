import keras
import pytest

import keras_eff
from keras_eff.latency import BenchmarkModel
from keras_eff.latency import Latency
from keras_eff.latency import measure

from .stand_ins import litert_log
from .stand_ins import replay
from .stand_ins import tflite_log

pytest_plugins = ["tests.latency.stand_in_fixtures"]

FOUND = Latency.from_times([1.0], num_threads=1, runner="r", device="d")


@pytest.fixture(scope="module")
def open_file(folder):
    """Two inputs, (batch, length, 3) and (batch, 2), batch and length open."""
    x, y = keras.Input((None, 3), name="x"), keras.Input((2,), name="y")
    pooled = keras.layers.GlobalAveragePooling1D()(x)
    outputs = keras.layers.Concatenate()([pooled, y])
    path = str(folder / "open.tflite")
    model = keras.Model([x, y], outputs)
    model.export(path, format="litert", verbose=False)
    return path


def shapes(path, length):
    """Shapes of its inputs, in the order in which the file happens to be."""
    return {
        tensor.name: (length, 3) if len(tensor.shape) == 3 else (1, 2)
        for tensor in keras_eff.export.inspect(path).inputs
    }


def test_the_tool_is_told_the_shape_of_each_input(open_file, scripts):
    path = scripts.write("tool", replay(tflite_log()))
    given = shapes(open_file, 20)
    measure(open_file, 1, 5, BenchmarkModel(path), input_shapes=given)
    sizes = {(20, 3): "1,20,3", (1, 2): "1,2"}
    in_order = ":".join(sizes[shape] for shape in given.values())
    (call,) = scripts.calls("tool")
    # The tool splits at colons.
    names = ",".join(given).replace(":", "_")
    assert f"--input_layer={names} " in call
    assert f"--input_layer_shape={in_order}" in call


def test_a_file_with_open_lengths_is_not_measured_with_1(open_file, scripts):
    path = scripts.write("tool", replay(tflite_log()))
    with pytest.raises(ValueError, match="open: give `input_shapes`"):
        measure(open_file, 1, 5, BenchmarkModel(path))
    assert not scripts.calls("tool")
    flags = ("--input_layer=x,y", "--input_layer_shape=1,9,3:1,2")
    runner = BenchmarkModel(path, flags=flags)
    measure(open_file, 1, 5, runner)
    with pytest.raises(ValueError, match="beside flags of the runner"):
        measure(open_file, 1, 5, runner, input_shapes=[(20, 3), (2,)])


def test_a_tool_that_does_not_know_shapes_is_an_error(open_file, scripts):
    ignored = "--input_layer_shape=1,9,3:1,2"
    path = scripts.write("tool", replay(litert_log(ignored)))
    runner = BenchmarkModel(path)
    with pytest.raises(RuntimeError, match="does not know --input_layer_shape"):
        measure(open_file, 1, 5, runner, input_shapes=shapes(open_file, 9))


def test_a_runner_of_the_user_gets_the_shapes_or_is_refused(open_file):
    calls = []

    def runner(path, num_threads, num_runs, input_shapes=None):
        calls.append(input_shapes)
        return FOUND

    measure(open_file, runner=runner, input_shapes=[(9, 3), (2,)])
    measure(open_file, runner=runner)
    assert calls == [[(9, 3), (2,)], None]
    with pytest.raises(TypeError, match="needs a runner that takes it"):
        measure(
            open_file,
            runner=[runner, lambda path, num_threads, num_runs: FOUND],
            input_shapes=[(9, 3), (2,)],
        )
    assert len(calls) == 2
