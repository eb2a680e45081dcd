"""The QRNN layer against its definition, step by step in float64.

Largest differences of outputs and gradients, over the largest value, for a
loop in TensorFlow and, where PyTorch is installed, one written after
https://github.com/salesforce/pytorch-qrnn: there a gate is the share of the
new value, not of the old one, and the window is a linear layer.
"""

import importlib.util
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from absl import app
from absl import flags

import keras_eff

FLAGS = flags.FLAGS
flags.DEFINE_list("lengths", "2,5,32,128,512", "Of the inputs.")
flags.DEFINE_integer("batch_size", 4, "Inputs.")
flags.DEFINE_integer("units", 32, "Of the layer.")

FEATURES = 24


def of_layer(pooling, arrays, is_open):
    """Outputs and gradients of the layer, in float32."""
    sequences, kernel, bias, weights = map(tf.constant, arrays)
    layer = keras_eff.layers.QRNN(
        FLAGS.units, 2, pooling, return_sequences=True
    )
    shape = [None, None if is_open else sequences.shape[1], FEATURES]
    layer.build(shape)
    layer.set_weights([kernel, bias])

    @tf.function(input_signature=[tf.TensorSpec(shape)])
    def call(sequences):
        with tf.GradientTape() as tape:
            tape.watch(sequences)
            outputs = layer(sequences)
            loss = tf.reduce_sum(outputs * weights)
        variables = [v.value for v in layer.trainable_variables]
        return outputs, *tape.gradient(loss, [sequences, *variables])

    return [x.numpy() for x in call(sequences)]


def of_loop(pooling, arrays):
    """The same, one step after the other."""
    arrays = [tf.constant(x.astype("float64")) for x in arrays]
    sequences, kernel, bias, weights = arrays
    with tf.GradientTape() as tape:
        tape.watch(arrays)
        before = tf.zeros_like(sequences[:, 0])
        cell, outputs = tf.zeros((len(before), FLAGS.units), "float64"), []
        for step in range(sequences.shape[1]):
            now = sequences[:, step]
            gates = before @ kernel[0] + now @ kernel[1] + bias
            z, *others = tf.split(gates, 1 + len(pooling), axis=1)
            gate = dict(zip(pooling, map(tf.sigmoid, others), strict=True))
            share = gate.get("i", 1.0 - gate["f"])
            cell = gate["f"] * cell + share * tf.tanh(z)
            outputs.append(gate.get("o", 1.0) * cell)
            before = now
        outputs = tf.stack(outputs, axis=1)
        loss = tf.reduce_sum(outputs * weights)
    return [x.numpy() for x in (outputs, *tape.gradient(loss, arrays[:3]))]


def of_torch(arrays):
    """Pooling "fo" as pytorch-qrnn has it, its weights made from ours."""
    import torch

    sequences, kernel, bias, weights = (
        torch.tensor(x.astype("float64"), requires_grad=True) for x in arrays
    )
    # Theirs is the complement: sigmoid(-x) = 1 - sigmoid(x).
    sign = torch.ones(3 * FLAGS.units, dtype=torch.float64)
    sign[FLAGS.units : 2 * FLAGS.units] = -1.0
    linear = torch.cat([kernel[1], kernel[0]]).T * sign[:, None]
    x = sequences.transpose(0, 1)
    source = torch.cat([x, torch.cat([x[:1] * 0, x[:-1]])], 2)
    gates = torch.nn.functional.linear(source, linear, bias * sign)
    z, f, o = gates.chunk(3, dim=2)
    z, f, o = z.tanh(), f.sigmoid(), o.sigmoid()
    cells = []
    for forget, h in zip(f, f * z, strict=True):
        cells.append(h + (1 - forget) * cells[-1] if cells else h)
    outputs = (o * torch.stack(cells)).transpose(0, 1)
    (outputs * weights).sum().backward()
    return [
        x.detach().numpy()
        for x in (outputs, sequences.grad, kernel.grad, bias.grad)
    ]


def print_row(length, pooling, name, found, expected):
    shares = [
        np.abs(one - other).max() / np.abs(other).max()
        for one, other in zip(found, expected, strict=True)
    ]
    figures = " | ".join(f"{share:.1e}" for share in shares)
    print(f"| {length} | {pooling} | {name} | {figures} |", flush=True)


def random_arrays(length, pooling):
    generator = np.random.default_rng(0)
    columns = (1 + len(pooling)) * FLAGS.units
    shapes = (
        (FLAGS.batch_size, length, FEATURES),
        (2, FEATURES, columns),
        (columns,),
        (FLAGS.batch_size, length, FLAGS.units),
    )
    arrays = [generator.standard_normal(s).astype("float32") for s in shapes]
    arrays[1] /= np.sqrt(2 * FEATURES).astype("float32")
    return arrays


def main(_):
    has_torch = importlib.util.find_spec("torch") is not None
    print(
        "| length | pooling | against | outputs | gradient of the inputs | of "
        "the kernel | of the bias |\n|---|---|---|---|---|---|---|"
    )
    for length in map(int, FLAGS.lengths):
        for pooling in ("f", "fo", "ifo"):
            arrays = random_arrays(length, pooling)
            found = of_layer(pooling, arrays, is_open=False)
            loop = of_loop(pooling, arrays)
            print_row(length, pooling, "loop", found, loop)
            is_open = of_layer(pooling, arrays, is_open=True)
            print_row(length, pooling, "loop, dynamic length", is_open, loop)
            if pooling == "fo" and has_torch:
                theirs = of_torch(arrays)
                print_row(length, pooling, "pytorch-qrnn", found, theirs)


if __name__ == "__main__":
    app.run(main)
