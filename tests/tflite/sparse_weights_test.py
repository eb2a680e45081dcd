import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from keras import layers

import keras_eff
from keras_eff.tflite.execution import execute
from keras_eff.tflite.flatbuffer import parse
from keras_eff.tflite.sparse_weights import block_size
from keras_eff.tflite.sparse_weights import dense_values

SINGLE = (1, 1)


@keras.saving.register_keras_serializable(package="keras_eff_tests")
class KeptBlocks(keras_eff.layers.WeightTransform):
    """Multiplies a kernel by a mask of 0s and 1s that it keeps."""

    order = 0

    def build(self, input_shape):
        self.mask = self.add_weight(
            shape=input_shape, initializer="ones", trainable=False
        )

    def call(self, weight):
        return weight * self.mask


def mask(shape, block, sparsity=0.8):
    """Zeros in whole blocks of the last two axes, ones elsewhere."""
    blocks = (*[1] * (len(shape) - 2), *block)
    counts = [-(-n // size) for n, size in zip(shape, blocks, strict=True)]
    kept = np.arange(np.prod(counts)) >= sparsity * np.prod(counts)
    kept = np.random.default_rng(0).permutation(kept).reshape(counts)
    for axis, size in enumerate(blocks):
        kept = np.repeat(kept, size, axis)
    return kept[tuple(map(slice, shape))].astype("float32")


def zero(layer, block):
    layer.kernel.assign(layer.kernel * mask(layer.kernel.shape, block))


def dense_net(*blocks, inputs=64):
    """Dense layers, each with zeros in blocks; None for no zeros."""
    keras.utils.set_random_seed(0)
    sizes = [layers.Dense(64, activation="relu") for _ in blocks]
    model = keras.Sequential([keras.Input((inputs,)), *sizes])
    for layer, block in zip(model.layers, blocks, strict=True):
        if block is not None:
            zero(layer, block)
    return model


def samples(*shape):
    generator = np.random.default_rng(0)
    return generator.standard_normal((16, *shape)).astype("float32")


def export(model, path, quantize, sparse=True, **arguments):
    x = samples(*model.input_shape[1:])
    arguments["sparse"] = sparse
    return keras_eff.export.to_tflite(model, path, quantize, x, **arguments)


def sparse_tensors(path):
    tensors = keras_eff.export.inspect(path).tensors
    return [tensor for tensor in tensors if tensor.is_sparse]


def stored_weights(path):
    """Returns [(block size, values), ...] of the sparse weights of a file."""
    model = parse(path.read_bytes())
    dtype = {
        schema.TensorType.FLOAT32: "float32",
        schema.TensorType.FLOAT16: "float16",
        schema.TensorType.INT8: "int8",
    }
    return [
        (
            block_size(tensor),
            dense_values(
                tensor,
                model.buffers[tensor.buffer].data.view(dtype[tensor.type]),
            ),
        )
        for tensor in model.subgraphs[0].tensors
        if tensor.sparsity
    ]


@pytest.mark.parametrize(
    "quantize, block, size",
    [
        (None, SINGLE, 1),
        (None, (4, 1), 4),
        ("float16", SINGLE, 1),
        ("int8", (16, 1), 16),
    ],
)
def test_a_file_leaves_zeros_out(quantize, block, size, tmp_path):
    model, path = dense_net(block), tmp_path / "m.tflite"
    dense = export(model, path, quantize, sparse=False)
    report = export(model, path, quantize)
    assert report.size_bytes < dense.size_bytes
    assert report.mean_lsb is None or report.mean_lsb < 0.01
    ((found, values),) = stored_weights(path)
    kernel = keras.ops.convert_to_numpy(model.layers[0].kernel).T
    assert found == size
    assert np.any(values) and not np.any(values[kernel == 0])
    if quantize is None:
        np.testing.assert_array_equal(values, kernel)


def test_a_model_without_zeros_becomes_a_dense_file(tmp_path):
    path = tmp_path / "m.tflite"
    dense = export(dense_net(None), path, "int8", sparse=False)
    report = export(dense_net(None), path, "int8")
    assert sparse_tensors(path) == []
    # Rows of the operators' versions may lie in another order.
    assert abs(report.size_bytes - dense.size_bytes) < 64
    assert report.ops == dense.ops


def test_layers_with_and_without_zeros_mix(tmp_path):
    path = tmp_path / "m.tflite"
    report = export(dense_net((16, 1), None, (16, 1)), path, "int8")
    assert len(sparse_tensors(path)) == 2
    assert report.mean_lsb < 0.1
    report = export(dense_net((4, 1), SINGLE, None), path, None, batch_size=3)
    assert [size for size, _ in stored_weights(path)] == [4, 1]
    assert report.ops["DENSIFY"] == 1


@pytest.mark.parametrize("num_bits", [8, 4])
def test_integer_convolutions_take_zeros_anywhere(num_bits, tmp_path):
    model = keras.Sequential(
        [
            keras.Input((8, 8, 4)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.DepthwiseConv2D(3, activation="relu"),
            layers.Conv2DTranspose(8, 2, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(8),
        ]
    )
    for layer in model.layers[:3]:
        zero(layer, SINGLE)
    zero(model.layers[4], (16, 1))
    model = keras_eff.calibrate(
        keras_eff.quantize(model, num_bits=num_bits), samples(8, 8, 4)
    )
    report = export(model, tmp_path / "m.tflite", None)
    weights = [values for _, values in stored_weights(tmp_path / "m.tflite")]
    assert len(weights) == 4
    assert report.ops["DENSIFY"] == 3
    step = 127 // (2 ** (num_bits - 1) - 1)
    assert all(np.all(values % step == 0) for values in weights)
    assert report.mean_lsb < 0.1


def test_masked_weights_are_stored_without_their_zeros(tmp_path):
    step, path = KeptBlocks(), tmp_path / "m.tflite"
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras_eff.layers.TransformedWeights(layers.Dense(32), [step]),
        ]
    )
    step.mask.assign(mask((64, 32), (16, 1)))
    model = keras_eff.calibrate(keras_eff.quantize(model), samples(64))
    report = export(model, path, None)
    ((size, values),) = stored_weights(path)
    assert size == 16
    assert np.any(values) and not np.any(values[mask((64, 32), (16, 1)).T == 0])
    outputs = execute(path, [samples(64)])
    expected = model.predict(samples(64), verbose=0)
    for found in (*outputs.delegate, *outputs.builtin):
        np.testing.assert_allclose(found, expected, atol=0.02)
    assert report.mean_lsb < 0.1


@pytest.mark.parametrize(
    "quantize, block, inputs, message",
    [
        ("dynamic", (16, 1), 64, 'use quantize="int8" or None. Received: sp'),
        ("dynamic", SINGLE, 64, 'use quantize="int8" or None. Received: sp'),
        ("float16", (4, 1), 64, r"blocks of \(4, 1\), .* use quantize=None"),
        ("int8", SINGLE, 64, "prune them in such blocks, or write float32"),
        ("int8", (16, 1), 72, "no multiple of 16"),
        (None, (4, 1), 66, r"no multiple of 4, .* zeros in \['.*\[64, 66\]'"),
    ],
)
def test_zeros_that_a_runtime_would_misread_are_refused(
    quantize, block, inputs, message, tmp_path
):
    model = dense_net(block, inputs=inputs)
    with pytest.raises(ValueError, match=message):
        export(model, tmp_path / "m.tflite", quantize)
    assert list(tmp_path.iterdir()) == []


def test_zeros_of_a_convolution_are_left_out_one_by_one(tmp_path):
    path = tmp_path / "m.tflite"
    model = keras.Sequential([keras.Input((4, 4, 8)), layers.Conv2D(6, 3)])
    zero(model.layers[0], SINGLE)
    export(model, path, None)
    ((size, values),) = stored_weights(path)
    kernel = keras.ops.convert_to_numpy(model.layers[0].kernel)
    assert size == 1
    np.testing.assert_array_equal(values, np.moveaxis(kernel, -1, 0))
