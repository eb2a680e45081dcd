"""Writes the models beside this file, with what they predict.

They are those of version 0.1.0, which later versions are to load: run this
for models of new layers only, and keep the files that are there.
"""

import pathlib
import zipfile

import keras
import numpy as np

import keras_eff

HERE = pathlib.Path(__file__).parent
layers, ours = keras.layers, keras_eff.layers


def images(*stack):
    return keras.Sequential([keras.Input((6, 6, 2)), *stack])


def sequences(*stack):
    return keras.Sequential([keras.Input((8, 4)), *stack])


def convolutions():
    block = layers.Conv2D(4, 3, use_bias=False, name="conv")
    norm = layers.BatchNormalization(name="norm")
    head = layers.Dense(3, name="head")
    return images(block, norm, layers.ReLU(), layers.Flatten(), head)


def calibrated(model):
    model = keras_eff.quantize(model, num_bits=4)
    samples = inputs_of(model)
    keras_eff.calibrate(model, samples, verbose=0)
    return model


def pruned(model):
    return keras_eff.prune(model, 0.5, skip=())


def prunable():
    schedule = keras_eff.schedules.PolynomialDecay(0.0, 0.5, 0, 10)
    return images(
        ours.PrunableConv2D(4, 3, schedule, name="conv"),
        ours.PrunableDepthwiseConv2D(2, pattern="channel", name="depthwise"),
        layers.Reshape((9, 4)),
        ours.PrunableConv1D(4, 3, pattern="2:4", name="conv1d"),
        layers.Flatten(),
        ours.PrunableDense(
            3, block_shape=(4, 1), activation="softmax", name="dense"
        ),
    )


def several_steps():
    path = "cell.recurrent_kernel"
    chain = [
        ours.WeightFakeQuant(3, (), weight_name=path),
        ours.PruningMask(weight_name=path),
    ]
    rnn = layers.RNN(layers.SimpleRNNCell(4), name="rnn")
    return sequences(ours.TransformedWeights(rnn, chain))


def parts():
    """Layers that users do not place, as models hold them."""
    inputs = keras.Input((8, 4))
    decays = layers.Dense(4, "sigmoid", name="decays")(inputs)
    decays = ours.Zoneout(0.1, seed=0, name="zoneout")(decays)
    states = ours.LinearRecurrence(reverse=True, bound=4.0)(decays, inputs)
    pooled = ours.LocalAttentionPooling(2)(states, inputs, states)
    flags = keras.ops.sum(pooled, -1) > -1.5
    masked = ours.SetMask(name="mask")([pooled, flags])
    mean = layers.GlobalAveragePooling1D()(masked)
    outputs = ours.FakeQuant(fixed_range=(-2.0, 2.0), name="rounded")(mean)
    return keras.Model(inputs, ours.KeepFloat(name="float")(outputs))


def text():
    inputs = keras.Input((6, 8), dtype="int32")
    outputs = ours.TokenDistortion(0.1, seed=0, name="distortion")(inputs)
    projection = ours.ProjectionLayer(16, ngram_size=2, name="projection")
    outputs = layers.Dense(4, name="bottleneck")(projection(outputs))
    outputs = ours.QRNN(4, zoneout=0.1, name="qrnn")(outputs)
    return keras.Model(inputs, outputs)


MODELS = {
    "prunable_layers": prunable,
    "pruned": lambda: pruned(convolutions()),
    "quantized": lambda: calibrated(convolutions()),
    "pruned_and_quantized": lambda: calibrated(pruned(convolutions())),
    "several_steps": several_steps,
    "depthwise_separable": lambda: images(
        ours.DepthwiseSeparable(4, 3, padding="same", name="block"),
        layers.GlobalAveragePooling2D(),
    ),
    "local_projected_attention": lambda: sequences(
        ours.LocalProjectedAttention(2, 4, name="attention")
    ),
    "qrnn": lambda: sequences(
        layers.Bidirectional(
            ours.QRNN(3, window=3, pooling="ifo", return_sequences=True)
        ),
        ours.QRNN(2, name="last"),
    ),
    "parts": parts,
    "text": text,
}


def inputs_of(model):
    generator = np.random.default_rng(0)
    (tensor,) = model.inputs
    shape = (4, *tensor.shape[1:])
    if "int" in tensor.dtype:
        return generator.integers(0, 128, shape).astype("int32")
    return generator.normal(size=shape).astype("float32")


def main():
    recorded = {}
    for name, make in MODELS.items():
        keras.utils.clear_session()
        keras.utils.set_random_seed(0)
        model = make()
        randomize(model)
        inputs = inputs_of(model)
        recorded[f"{name}_inputs"] = inputs
        recorded[f"{name}_outputs"] = model.predict(inputs, verbose=0)
        path = HERE / f"{name}.keras"
        model.save(path)
        compress(path)
    np.savez_compressed(HERE / "predictions.npz", **recorded)


def compress(path):
    """Keras stores the parts of a file as they are, mostly zeros."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def randomize(model):
    """Gives masks and statistics values that a model left alone lacks."""
    generator = np.random.default_rng(1)
    for variable in model.variables:
        if variable.dtype == "bool":
            mask = generator.random(variable.shape) < 0.7
            variable.assign(mask & keras.ops.convert_to_numpy(variable))
        elif variable.name == "moving_mean":
            variable.assign(generator.normal(0.0, 0.1, variable.shape))
        elif variable.name == "moving_variance":
            variable.assign(generator.uniform(0.5, 1.5, variable.shape))


if __name__ == "__main__":
    main()
