import math

import keras
import numpy as np

from keras_eff import arguments
from keras_eff.graph.progress import check_verbose
from keras_eff.graph.progress import progress
from keras_eff.graph.samples import batches
from keras_eff.graph.samples import check_samples
from keras_eff.graph.walk import check_graph
from keras_eff.quantization import sensitivity_report
from keras_eff.quantization.calibrate import calibrate
from keras_eff.quantization.probe import Probe
from keras_eff.quantization.probe import rounded
from keras_eff.quantization.quantize import place

_ACTIVATION_BITS = 8


def quantization_sensitivity(
    model, samples, num_bits=(8, 4), *, batch_size=32, verbose="auto"
) -> sensitivity_report.QuantizationSensitivity:
    """What rounding each layer alone does to the outputs of a model.

    The model computes in float, but for one rounding at a time: the weights of
    a layer, at each width in `num_bits`, or what an operation returns, at 8
    bits over the range that the samples have there. It needs no labels: the
    outputs are compared with those of the model itself.

    `sensitivity.mixed_precision(size_bytes)` chooses a width for each layer,
    for `keras_eff.quantize(model, num_bits=...)`.

    Args:
        model: Built `keras.Sequential` or Functional model, as for
            `keras_eff.quantize`. It is left as it was.
        samples: Array of shape (samples, ...), a `tf.data.Dataset`, or what
            else `keras_eff.calibrate` takes: some tens, or a few hundred.
        num_bits: Integer in [2, 8], or several, the widths of weights to try,
            in bits.
        batch_size: Positive integer, samples per step.
        verbose: 0, silent; 1, a progress bar; "auto", a progress bar once it
            takes longer than two seconds, on a terminal or in a notebook.

    Returns:
        A `keras_eff.QuantizationSensitivity`, which prints as a table, the
        worst first.

    Raises:
        TypeError: If `model` is not a Keras 3 model.
        ValueError: If `model` is a subclassed model or is not built, an
            argument is out of range, or the samples do not fit the model.

    Example:

    >>> wide = keras.layers.Dense(32, name="wide")
    >>> thin = keras.layers.Dense(1, name="thin")
    >>> model = keras.Sequential([keras.Input((8,)), wide, thin])
    >>> samples = np.linspace(-1.0, 1.0, 80, dtype="float32").reshape(10, 8)
    >>> sensitivity = keras_eff.quantization_sensitivity(model, samples)
    >>> sensitivity.mixed_precision(size_bytes=160)
    {'wide': 4, 'thin': 8}
    """
    widths = _check_widths(num_bits)
    check_verbose(verbose)
    check_graph(model, "keras_eff.quantization_sensitivity")
    samples = check_samples(model, samples)
    quantized, _, whole_of = place(model, ())
    calibrate(quantized, samples, batch_size=batch_size, verbose=0)
    probe = Probe(whole_of)
    network = probe.rewrite(quantized)
    roundings = [*_of_weights(probe, widths), *_of_activations(probe)]
    advance = progress(len(roundings), verbose)
    feeds = list(batches(network, samples, batch_size))
    expected = _outputs(network, feeds)
    effects = []
    for description, switched_on in roundings:
        with switched_on:
            outputs = _outputs(network, feeds)
        effects.append(_effect(description, expected, outputs))
        advance()
    return sensitivity_report.QuantizationSensitivity(tuple(effects))


def _check_widths(num_bits):
    several = isinstance(num_bits, (list, tuple, np.ndarray))
    widths = num_bits if several else [num_bits]
    if not widths:
        expected = "at least one integer in [2, 8]"
        raise arguments.wrong_argument("num_bits", num_bits, expected)
    return {arguments.read_integer("num_bits", width, 2, 8) for width in widths}


def _of_weights(probe, widths):
    for layer, kernels in probe.kernels.items():
        count = sum(math.prod(variable.shape) for variable, _ in kernels)
        for bits in sorted(widths, reverse=True):
            size = -(-count * bits // 8)
            yield (layer, "weights", bits, size), rounded(kernels, bits)


def _of_activations(probe):
    for name, switch in probe.switches.items():
        yield (name, "activations", _ACTIVATION_BITS, 0), switch.on()


def _outputs(network, feeds):
    """The outputs as float64 arrays, in flat order, of all batches."""
    parts = [
        [
            keras.ops.convert_to_numpy(x).astype("float64")
            for x in keras.tree.flatten(network.predict_on_batch(feed))
        ]
        for feed in feeds
    ]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def _effect(description, expected, outputs):
    pairs = list(zip(expected, outputs, strict=True))
    noise = float(np.mean([_noise(*pair) for pair in pairs]))
    agreements = [
        float(np.mean(a.argmax(-1) == b.argmax(-1)))
        for a, b in pairs
        if a.ndim > 1 and a.shape[-1] > 1
    ]
    return sensitivity_report.RoundingEffect(
        *description,
        noise=noise,
        sqnr_db=-10 * math.log10(noise) if noise else math.inf,
        agreement=min(agreements, default=None),
    )


def _noise(expected, outputs):
    power = np.mean(expected**2)
    difference = np.mean((outputs - expected) ** 2)
    return difference / power if power else difference
