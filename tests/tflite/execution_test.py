import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from keras_eff.tflite.execution import execute
from keras_eff.tflite.execution_script import _count_partitions


@pytest.fixture
def save(tmp_path):
    def write(data):
        path = tmp_path / "model.tflite"
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def run(converted, save):
    def call(name, *inputs):
        return execute(save(converted(name).data), list(inputs))

    return call


def interpret(data, feeds):
    """What the plain interpreter computes, in the file's own types."""
    interpreter = Interpreter(model_content=data)
    interpreter.allocate_tensors()
    for detail, feed in zip(
        interpreter.get_input_details(), feeds, strict=True
    ):
        interpreter.set_tensor(detail["index"], feed)
    interpreter.invoke()
    details = interpreter.get_output_details()
    return [interpreter.get_tensor(detail["index"]) for detail in details]


@pytest.mark.parametrize("name", ["dense", "lstm", "sparse", "two_outputs"])
def test_both_kernel_sets_compute_what_the_interpreter_does(
    converted, run, name
):
    file = converted(name)
    execution = run(name, *file.samples)
    for sample in range(5):
        feeds = [array[sample : sample + 1] for array in file.samples]
        for place, expected in enumerate(interpret(file.data, feeds)):
            for found in (execution.delegate, execution.builtin):
                np.testing.assert_allclose(
                    found[place][sample], expected[0], atol=1e-6
                )


def test_float_samples_are_quantized_and_outputs_dequantized(converted, run):
    file = converted("conv_int8")
    interpreter = Interpreter(model_content=file.data)
    (detail,) = interpreter.get_input_details()
    scale, zero_point = detail["quantization"]
    integers = np.rint(file.samples[0] / np.float64(scale)) + zero_point
    integers = integers.clip(-128, 127).astype(np.int8)
    execution = run("conv_int8", file.samples[0])
    assert execution.output_scales == [1 / 256]
    for sample in range(5):
        feed = [integers[sample : sample + 1]]
        (expected,) = interpret(file.data, feed)
        np.testing.assert_array_equal(
            execution.delegate[0][sample], (expected[0] + 128.0) / 256
        )
    np.testing.assert_array_equal(
        run("conv_int8", integers).builtin, execution.builtin
    )


def test_samples_beyond_the_range_of_the_input_are_clipped(run):
    execution = run("conv_int8", np.full((1, 12, 12, 3), 1e6))
    limit = run("conv_int8", np.full((1, 12, 12, 3), 127, np.int8))
    np.testing.assert_array_equal(execution.builtin, limit.builtin)


def test_the_delegate_partitions_of_the_graph_are_counted(run, converted):
    execution = run("conv_int8", converted("conv_int8").samples[0])
    assert execution.delegate_partitions == 1


def test_the_private_operator_list_names_each_partition(converted):
    interpreter = Interpreter(model_content=converted("conv_int8").data)
    interpreter.allocate_tensors()
    assert _count_partitions(interpreter) == 1
    names = [row["op_name"] for row in interpreter._get_ops_details()]
    assert "DELEGATE" in names


def test_integer_outputs_stay_integers(run, converted):
    ids = converted("two_outputs").samples[0]
    execution = run("two_outputs", ids)
    sums, vectors = execution.delegate
    assert sums.dtype == np.int32 and vectors.dtype == np.float32
    np.testing.assert_array_equal(sums, ids.sum(axis=1))
    assert execution.output_scales == [None, None]


def test_integers_that_the_input_can_hold_are_converted(run, converted):
    ids = converted("two_outputs").samples[0]
    np.testing.assert_array_equal(
        run("two_outputs", ids.astype(np.int64)).builtin[0],
        run("two_outputs", ids).builtin[0],
    )


@pytest.mark.parametrize("ids", [np.full((1, 6), 2**40), np.full((1, 6), 0.5)])
def test_values_that_the_input_cannot_hold_are_refused(run, ids):
    with pytest.raises(ValueError, match="int32.*Received: .* samples"):
        run("two_outputs", ids)


def test_a_fixed_batch_is_filled_up_with_the_last_sample(convert, save):
    model = keras.Sequential(
        [keras.Input((8,), batch_size=4), keras.layers.Dense(3)]
    )
    samples = np.random.default_rng(0).standard_normal((6, 8))
    execution = execute(save(convert(model)), [samples])
    kernel, bias = model.get_weights()
    assert execution.builtin[0].shape == (6, 3)
    np.testing.assert_allclose(
        execution.builtin[0], samples @ kernel + bias, atol=1e-5
    )


def test_open_dimensions_follow_the_samples(convert, save):
    model = keras.Sequential(
        [keras.Input((None, 4)), keras.layers.GlobalAveragePooling1D()]
    )
    path = save(convert(model))
    for length in (3, 9):
        samples = np.random.default_rng(0).standard_normal((2, length, 4))
        execution = execute(path, [samples])
        for found in (execution.delegate, execution.builtin):
            np.testing.assert_allclose(
                found[0], samples.mean(axis=1), atol=1e-6
            )


def test_inputs_are_in_the_order_of_the_file(convert, save):
    first = keras.Input((3,), batch_size=1, name="first")
    second = keras.Input((3,), batch_size=1, name="second")
    path = save(convert(keras.Model([first, second], first - 2 * second)))
    generator = np.random.default_rng(0)
    a, b = generator.standard_normal((2, 4, 3)).astype("float32")
    details = Interpreter(model_path=str(path)).get_input_details()
    is_swapped = "second" in details[0]["name"]
    execution = execute(path, [b, a] if is_swapped else [a, b])
    np.testing.assert_allclose(execution.builtin[0], a - 2 * b, atol=1e-6)


@pytest.mark.parametrize("shape", [(5, 7), (5, 8, 1), (5,)])
def test_samples_of_another_shape_are_refused(run, shape):
    with pytest.raises(ValueError, match="has the shape .*Received: a batch"):
        run("dense", np.zeros(shape))


def test_a_wrong_number_of_inputs_is_refused(run):
    with pytest.raises(ValueError, match="1 arrays.*Received: 2 arrays"):
        run("dense", np.zeros((2, 8)), np.zeros((2, 8)))


@pytest.mark.parametrize(
    "inputs",
    [[], [np.zeros((0, 8))], [np.zeros(())], [np.zeros(1), np.zeros(2)]],
)
def test_samples_that_do_not_match_each_other_are_refused(run, inputs):
    with pytest.raises(ValueError, match="same number.*Received: shapes="):
        run("dense", *inputs)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="Received: path="):
        execute(tmp_path / "missing.tflite", [np.zeros((1, 8))])


def test_a_truncated_file_is_refused(converted, save):
    path = save(converted("dense").data[:-200])
    with pytest.raises(ValueError, match="complete.*Received: "):
        execute(path, [np.zeros((1, 8))])


def test_the_time_it_may_take_is_limited(converted, save):
    path = save(converted("dense").data)
    with pytest.raises(RuntimeError, match="timeout_s=0.001"):
        execute(path, [np.zeros((1, 8))], timeout_s=0.001)
