import numpy as np

from keras_eff.atomic_write import atomic_write
from keras_eff.atomic_write import check_path
from keras_eff.debugging.debug_report import DebugReport
from keras_eff.debugging.debug_report import TensorError
from keras_eff.debugging.error_plot import error_plot
from keras_eff.debugging.file_tensors import file_tensors
from keras_eff.debugging.layer_outputs import layer_outputs
from keras_eff.debugging.matching import match
from keras_eff.debugging.signal_to_noise import sqnr_db
from keras_eff.figure import check_matplotlib
from keras_eff.graph.rewriter import open_registered
from keras_eff.graph.samples import check_samples
from keras_eff.graph.walk import check_graph
from keras_eff.lowering.lowering import Lowering
from keras_eff.lowering.rules import RULES

_MOST_SAMPLES = 16
_MOST_DB = 40.0


def debug(model, path, samples, *, plot=None) -> DebugReport:
    """Finds the layers in which a .tflite file departs from a Keras model.

    The file runs on the samples in the builtin kernels, in a process of its
    own, and all that it computes on the way is kept. Each of these tensors is
    compared with the layer that it stands for, which is found by content, or
    by scale and zero point in a model with `keras_eff.layers.FakeQuant`
    layers: the file needs no names. A convolution whose activation is fused
    into it is compared after the activation. Where the file rather follows
    the graph that `keras_eff.export.to_tflite` writes in the place of the
    model's own (an activation as several operations, say), that graph stands
    for the model.

    Look first at the rows of `report.worst()`: an error shows in all layers
    after the one that makes it, and `drop_db` tells it from them.

    All tensors of all samples are in memory at once, those of the file and of
    Keras: give fewer samples of large inputs.

    Args:
        model: Built `keras.Sequential` or Functional model: the one that was
            exported, or the float model that was quantized.
        path: Path of the .tflite file, with inputs in the order of the
            model's.
        samples: Array of shape (samples, ...), or a list or dict of arrays
            for several inputs, in the model's own units and dtypes. At most
            the first 16 are used.
        plot: Optional path of a PNG to write, the SQNR along the network.
            Needs matplotlib.

    Returns:
        A `keras_eff.export.DebugReport`, which prints as a table.

    Raises:
        TypeError: If `model` is not a Keras 3 model.
        ImportError: If `plot` is given and matplotlib is not installed.
        FileNotFoundError: If `path` is not a file.
        ValueError: If it is not a complete .tflite file, or the samples do
            not fit the model or the file, or no tensor of the file belongs to
            the model.
        OSError: If `plot` cannot be written.
        RuntimeError: If the runtime crashes on the file or fails.

    Example:

    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> samples = np.linspace(-1.0, 1.0, 80, dtype="float32").reshape(10, 8)
    >>> report = keras_eff.export.to_tflite(model, "dense.tflite")
    >>> report = keras_eff.export.debug(model, "dense.tflite", samples)
    >>> [(row.op, row.elements) for row in report.worst(1)]
    [('FULLY_CONNECTED', 4)]
    """
    check_graph(model, "keras_eff.export.debug")
    if plot is not None:
        check_matplotlib("Argument `plot`")
        plot = check_path(plot, "plot")
    samples = [array[:_MOST_SAMPLES] for array in check_samples(model, samples)]
    tensors = file_tensors(path, samples)
    outputs, places = _matched(open_registered(model), samples, tensors)
    rows = _rows(tensors, outputs, places, len(samples))
    report = DebugReport(
        path=str(path),
        rows=tuple(rows),
        num_unmatched=len(tensors) - len(places),
        num_samples=len(samples[0]),
    )
    if plot is not None:
        with atomic_write(plot, error_plot(report)):
            pass
    return report


def _matched(model, samples, tensors):
    """The outputs of the model, or of what is converted, if more are found."""
    outputs = layer_outputs(model, samples)
    places, certain = match(tensors, outputs, len(samples))
    if certain < len(tensors):
        lowered = layer_outputs(Lowering(RULES).lower(model), samples)
        in_lowered = match(tensors, lowered, len(samples))
        if in_lowered[1] > certain:
            outputs, places = lowered, in_lowered[0]
    if len(places) == len(samples):
        raise ValueError(
            "The file must be an export of `model`. Received: "
            f"{len(tensors) - len(samples)} computed tensors, of which none "
            f"has the size or content of a layer of {model.name!r}"
        )
    return outputs, places


def _rows(tensors, outputs, places, num_inputs):
    """Yields a row for each tensor that was found, exact inputs excepted."""
    ratios = {}
    ends_of_tensors = _ends_of_tensors(tensors)
    ends_of_places = _ends_of_places(outputs)
    for place, tensor in enumerate(tensors):
        before = min((ratios[i] for i in tensor.inputs), default=np.inf)
        if tensor.index not in places:
            ratios[tensor.index] = before
            continue
        output = outputs[places[tensor.index]]
        ratio = sqnr_db(output.values, tensor.values)
        ratios[tensor.index] = ratio
        ends = ends_of_tensors[tensor.index]
        ends = ends & ends_of_places[places[tensor.index]]
        if place >= num_inputs or tensor.scale is not None:
            yield _row(tensor, output, ratio, before, ends)


def _ends_of_tensors(tensors):
    """{tensor of the file: the numbers of the outputs that depend on it}."""
    ends = {x.index: {x.end} - {None} for x in tensors}
    for tensor in reversed(tensors):
        for index in tensor.inputs:
            ends[index] |= ends[tensor.index]
    return ends


def _ends_of_places(outputs):
    """The same for each tensor of the model, in their order."""
    ends = [{x.end} - {None} for x in outputs]
    for output in outputs:
        for place in output.ancestors if output.end is not None else ():
            ends[place].add(output.end)
    return ends


def _row(tensor, output, ratio, before, ends):
    errors = np.abs(output.values.astype("float64") - tensor.values)
    drop = np.clip(before, 0.0, _MOST_DB) - np.clip(ratio, 0.0, _MOST_DB)
    scale = tensor.scale
    return TensorError(
        layer=output.name,
        op=tensor.op,
        tensor=tensor.index,
        sqnr_db=ratio,
        drop_db=float(max(drop, 0.0)),
        mean_lsb=float(np.mean(errors) / scale) if scale else None,
        max_lsb=float(np.max(errors) / scale) if scale else None,
        scale=scale,
        elements=tensor.values.shape[1],
        outputs=tuple(sorted(ends)),
    )
