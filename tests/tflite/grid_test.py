import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import keras_eff
from keras_eff.tflite.execution import execute
from keras_eff.tflite.flatbuffer import parse
from keras_eff.tflite.grid import KernelIntegers
from keras_eff.tflite.grid import known_grids
from keras_eff.tflite.grid import restore_grids
from keras_eff.tflite.inspection import inspect
from keras_eff.tflite.packing import pack
from tests.support.converted_files import rewritten

CHANNEL_AXES = {"DepthwiseConv2D": (2, 3), "Conv2DTranspose": (2,)}


def restored(data, grids, **options):
    return rewritten(data, restore_grids, grids, **options)


def put_on_grid(model, num_bits, peak=None):
    """Rounds each kernel to integers of `num_bits`, scaled per channel.

    Returns:
        The integers of each kernel, which end at `peak`.
    """
    grids = []
    for layer in model.layers:
        if not hasattr(layer, "kernel"):
            continue
        kernel = keras.ops.convert_to_numpy(layer.kernel)
        kept = CHANNEL_AXES.get(type(layer).__name__, (kernel.ndim - 1,))
        axes = tuple(axis for axis in range(kernel.ndim) if axis not in kept)
        limit = peak or 2 ** (num_bits - 1) - 1
        step = np.abs(kernel).max(axis=axes, keepdims=True) / limit
        integers = np.rint(kernel / step)
        layer.kernel.assign(integers * step)
        layer.bias.assign(np.linspace(-0.2, 0.2, layer.bias.shape[0]))
        moved = np.moveaxis(integers, kept, range(len(kept)))
        rows = moved.reshape(-1, np.prod([kernel.shape[i] for i in axes]))
        grids.append(KernelIntegers(rows.astype("int8"), num_bits))
    return grids


@pytest.fixture
def model():
    return keras.Sequential(
        [
            keras.Input((10, 10, 3), batch_size=1),
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.DepthwiseConv2D(3, activation="relu"),
            keras.layers.Conv2DTranspose(8, 2, strides=2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )


@pytest.fixture
def samples():
    generator = np.random.default_rng(0)
    return generator.standard_normal((30, 10, 10, 3)).astype("float32")


def weights(data):
    """Returns [(integers, scales, quantized axis), ...] of the int8 weights."""
    model = parse(data)
    return [
        (
            model.buffers[tensor.buffer].data.view(np.int8),
            tensor.quantization.scale,
            tensor.shape,
            tensor.quantization.quantizedDimension,
        )
        for tensor in model.subgraphs[0].tensors
        if tensor.type == schema.TensorType.INT8
        and model.buffers[tensor.buffer].data is not None
    ]


def dequantized(data):
    values = []
    for integers, scales, shape, axis in weights(data):
        layout = np.ones(len(shape), int)
        layout[axis] = -1
        scales = scales.reshape(layout) if len(scales) > 1 else scales
        values.append(integers.reshape(shape).astype(np.float64) * scales)
    return values


def peaks(data):
    return sorted(np.abs(integers).max() for integers, *_ in weights(data))


@pytest.mark.parametrize("peak", [None, 3])
@pytest.mark.parametrize("num_bits", [3, 4, 5, 8])
def test_the_file_holds_the_trained_weights(
    model, samples, convert, num_bits, peak
):
    grids = put_on_grid(model, num_bits, peak)
    data = restored(convert(model, samples), grids)
    by_size = {values.size: values for values in dequantized(data)}
    kernels = [x.get_weights()[0] for x in model.layers if hasattr(x, "kernel")]
    assert len(by_size) == len(kernels) == 4
    for kernel in kernels:
        np.testing.assert_allclose(
            np.sort(by_size[kernel.size].ravel()),
            np.sort(kernel.ravel()),
            rtol=1e-6,
            atol=1e-9,
        )


@pytest.mark.parametrize("num_bits", [3, 4, 5, 6, 7])
def test_integers_are_multiples_of_one_step(model, samples, convert, num_bits):
    grids = put_on_grid(model, num_bits)
    limit = 2 ** (num_bits - 1) - 1
    step = 127 // limit
    for integers, *_ in weights(restored(convert(model, samples), grids)):
        assert not np.any(integers % step)
        assert np.abs(integers).max() == step * limit


@pytest.fixture
def files(model, samples, convert, tmp_path):
    grids = put_on_grid(model, 4)
    data = convert(model, samples)
    paths = [tmp_path / "converted.tflite", tmp_path / "restored.tflite"]
    paths[0].write_bytes(data)
    paths[1].write_bytes(restored(data, grids))
    return paths


def test_outputs_come_closer_to_the_float_model(files, model, samples):
    expected = np.concatenate([model(sample[None]) for sample in samples])
    converted, restored = (
        np.abs(execute(path, [samples]).builtin[0] - expected).mean()
        for path in files
    )
    assert restored < 0.95 * converted


def test_both_kernel_sets_agree_on_the_restored_file(files, samples):
    execution = execute(files[1], [samples])
    (scale,) = execution.output_scales
    difference = np.abs(execution.delegate[0] - execution.builtin[0]).max()
    assert difference < 1.5 * scale


def test_biases_keep_their_values_to_half_a_step_of_their_scale(files):
    model = parse(files[1].read_bytes())
    biases = [
        tensor
        for tensor in model.subgraphs[0].tensors
        if tensor.type == schema.TensorType.INT32
        and tensor.quantization.scale is not None
    ]
    assert sorted(tensor.shape[0] for tensor in biases) == [8, 10, 16, 16]
    for tensor in biases:
        integers = model.buffers[tensor.buffer].data.view(np.int32)
        values = integers * tensor.quantization.scale
        trained = np.linspace(-0.2, 0.2, len(values))
        half_steps = 0.5 * tensor.quantization.scale
        # The converter rounded them once before.
        assert np.all(np.abs(values - trained) < 2.1 * half_steps)


def test_a_bias_is_scaled_by_input_and_weight(files):
    model = parse(files[1].read_bytes())
    graph = model.subgraphs[0]
    for operator in graph.operators[:2]:
        scales = [graph.tensors[i].quantization.scale for i in operator.inputs]
        np.testing.assert_allclose(scales[0] * scales[1], scales[2], rtol=1e-6)


def test_weights_of_no_known_grid_stay(model, samples, convert):
    grids = put_on_grid(model, 4)
    shapes = [grid.rows.shape for grid in grids]
    others = [KernelIntegers(np.ones(x, "int8"), 4) for x in shapes]
    data = convert(model, samples)
    for before, after in zip(
        weights(data), weights(restored(data, others)), strict=True
    ):
        np.testing.assert_array_equal(before[0], after[0])
        np.testing.assert_array_equal(before[1], after[1])


def test_one_channel_off_the_grid_keeps_the_tensor(model, samples, convert):
    grids = put_on_grid(model, 4)
    dense = model.layers[-1]
    kernel = keras.ops.convert_to_numpy(dense.kernel).copy()
    kernel[:, 3] = np.linspace(-1, 1, len(kernel))
    dense.kernel.assign(kernel)
    data = restored(convert(model, samples), grids)
    assert peaks(data) == [126, 126, 126, 127]


def test_channels_may_be_turned_scaled_or_gone(model, samples, convert):
    grids = put_on_grid(model, 4)
    dense = model.layers[-1]
    factors = np.float32([-1, 0, 3, -0.1, 1, 1, 1, 1, 1, -9])
    dense.kernel.assign(dense.kernel * factors)
    (integers, scales, *_), *_ = (
        weight
        for weight in weights(restored(convert(model, samples), grids))
        if len(weight[1]) == 10
    )
    expected = np.sign(factors)[:, None] * grids[-1].rows * 18
    np.testing.assert_array_equal(integers.reshape(10, -1), expected)


def test_widths_of_a_model_are_mixed(model, samples, convert):
    wide = put_on_grid(model, 6)[-1]
    dense = model.layers[-1].get_weights()
    grids = put_on_grid(model, 4)
    model.layers[-1].set_weights(dense)
    both = restored(convert(model, samples), [*grids[:-1], wide])
    assert peaks(both) == [124, 126, 126, 126]


def test_a_shared_layer_is_restored_once_for_all_its_uses(
    convert, samples, tmp_path
):
    inputs = keras.Input((10, 10, 3), batch_size=1)
    shared = keras.layers.Conv2D(3, 3, padding="same", activation="relu")
    model = keras.Model(inputs, shared(shared(inputs)))
    grids = put_on_grid(model, 4)
    path = tmp_path / "shared.tflite"
    path.write_bytes(restored(convert(model, samples), grids))
    assert peaks(path.read_bytes()) == [126]
    execution = execute(path, [samples])
    expected = np.concatenate([model(sample[None]) for sample in samples])
    error = np.abs(execution.builtin[0] - expected).max()
    assert error < 4 * execution.output_scales[0]


def test_a_weight_that_another_operator_reads_stays(model, samples, convert):
    grids = put_on_grid(model, 4)
    changed = parse(convert(model, samples))
    graph = changed.subgraphs[0]
    weight = graph.operators[0].inputs[1]
    graph.outputs = np.append(graph.outputs, weight).astype(np.int32)
    data = restored(pack(changed), grids)
    assert peaks(data) == [126, 126, 126, 127]


def test_float_and_sparse_files_stay(converted, model):
    grids = put_on_grid(model, 4)
    for name in ("dense", "sparse", "lstm"):
        data = pack(parse(converted(name).data))
        assert len(restored(data, grids)) <= len(data)


@pytest.fixture
def int4_file(model, samples, convert, tmp_path):
    grids = put_on_grid(model, 4)
    path = tmp_path / "int4.tflite"
    path.write_bytes(restored(convert(model, samples), grids, stored_bits=4))
    return path


def test_4_bits_take_half_a_byte_where_a_kernel_reads_them(int4_file):
    tensors = [t for t in inspect(int4_file).tensors if t.is_constant]
    packed = {t.shape: t.size_bytes for t in tensors if t.dtype == "int4"}
    assert packed == {
        (16, 3, 3, 3): 16 * 27 // 2,
        (1, 3, 3, 16): 9 * 16 // 2,
        (10, 12 * 12 * 8): 10 * 12 * 12 * 8 // 2,
    }
    # TRANSPOSE_CONV has no such kernel.
    assert [t.shape for t in tensors if t.dtype == "int8"] == [(8, 2, 2, 16)]


def test_the_operators_of_4_bits_have_the_versions_for_it(int4_file):
    versions = inspect(int4_file).op_versions
    assert versions["CONV_2D"] == versions["DEPTHWISE_CONV_2D"] == (7,)
    assert versions["FULLY_CONNECTED"] == (10,)
    # As the converter wrote it.
    assert versions["TRANSPOSE_CONV"] == (4,)


def test_both_kernel_sets_agree_on_4_bits(int4_file, model, samples):
    execution = execute(int4_file, [samples])
    (scale,) = execution.output_scales
    outputs = (execution.delegate[0], execution.builtin[0])
    assert np.abs(outputs[0] - outputs[1]).max() < 1.5 * scale
    expected = np.concatenate([model(sample[None]) for sample in samples])
    assert np.abs(outputs[0] - expected).mean() < 0.02 * np.abs(expected).max()


@pytest.mark.parametrize("num_bits, steps", [(2, 7), (3, 2)])
def test_fewer_bits_keep_fine_biases_in_4(num_bits, steps, model, convert):
    samples = np.random.default_rng(0).standard_normal((30, 10, 10, 3))
    grids = put_on_grid(model, num_bits)
    data = convert(model, samples.astype("float32"))
    file = parse(restored(data, grids, stored_bits=4))
    (tensor,) = (
        t
        for t in file.subgraphs[0].tensors
        if t.type == schema.TensorType.INT4 and len(t.shape) == 2
    )
    content = file.buffers[tensor.buffer].data
    halves = np.stack([content & 15, content >> 4], -1).reshape(tensor.shape)
    integers = (halves ^ 8).astype(int) - 8
    assert set(np.unique(integers % steps)) == {0}
    kernel = model.layers[-1].get_weights()[0]
    scales = tensor.quantization.scale[:, None]
    np.testing.assert_allclose(integers * scales, kernel.T, atol=1e-6)


def test_wider_weights_stay_of_8_bits_in_a_file_of_4(model, samples, convert):
    grids = put_on_grid(model, 5)
    data = restored(convert(model, samples), grids, stored_bits=4)
    assert peaks(data) == [120] * 4


def test_a_model_tells_the_integers_of_its_kernels():
    chain = [keras_eff.layers.WeightFakeQuant(3, (-2, -1))]
    layer = keras.layers.DepthwiseConv2D(2, depth_multiplier=2)
    layer = keras_eff.layers.TransformedWeights(layer, chain)
    bias = keras_eff.layers.WeightFakeQuant(4, weight_name="bias")
    dense = keras_eff.layers.TransformedWeights(keras.layers.Dense(2), [bias])
    nested = keras.Sequential([keras.Input((2, 2, 3)), layer])
    (grid,) = known_grids(keras.Sequential([nested, dense]))
    assert grid.num_bits == 3 and grid.rows.shape == (6, 4)
    kernel = keras.ops.convert_to_numpy(layer.transformed_variables()[0])
    rows = kernel.reshape(4, 6).T
    scales = np.abs(rows).max(axis=1, keepdims=True) / 3
    np.testing.assert_allclose(grid.rows * scales, rows, rtol=1e-6)
