import collections
import gzip
import os

from ai_edge_litert import schema_py_generated as schema

from keras_eff.tflite import file_report
from keras_eff.tflite import file_weights
from keras_eff.tflite import flatbuffer
from keras_eff.tflite.model_file import ModelFile

_FLOAT_DTYPES = {"float16", "bfloat16", "float32", "float64"}


def inspect(path: str | os.PathLike) -> file_report.FileReport:
    """Reads what a .tflite file holds: sizes, operators, tensors.

    It only reads the tables of the file: it runs nothing, so that it is safe
    on any file.

    Args:
        path: Path of a .tflite file.

    Raises:
        FileNotFoundError: If `path` is not a file.
        ValueError: If it is not a complete .tflite file.

    Example:

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> model.export("dense.tflite", format="litert", verbose=False)
    >>> report = keras_eff.export.inspect("dense.tflite")
    >>> report.ops
    {'FULLY_CONNECTED': 1}
    >>> report.inputs[0].shape
    (-1, 4)
    """
    data = flatbuffer.read(path)
    return describe(ModelFile(flatbuffer.parse(data), data))


def describe(file: ModelFile) -> file_report.FileReport:
    """What `inspect` returns, of a file in memory."""
    model, data = file.model, file.data
    graphs = [_tensors(model, i) for i in range(len(model.subgraphs))]
    main = model.subgraphs[0]
    return file_report.FileReport(
        size_bytes=len(data),
        gzip_bytes=len(gzip.compress(data, compresslevel=9, mtime=0)),
        **_operators(model),
        inputs=tuple(graphs[0][index] for index in main.inputs),
        outputs=tuple(graphs[0][index] for index in main.outputs),
        tensors=tuple(tensor for graph in graphs for tensor in graph),
        float_tensors=tuple(_float_tensors(model, graphs)),
        weight_bytes=file_weights.weight_bytes(model),
    )


def output_steps(model: schema.ModelT) -> list[float | None]:
    """What one step of the integers of each output of a file is worth.

    Those of the tensor itself, or of the one that it is dequantized from;
    None for an output that was computed in floats.
    """
    graph = model.subgraphs[0]
    sources = {
        operator.outputs[0]: operator.inputs[0]
        for operator in graph.operators
        if flatbuffer.operator_name(model, operator) == "DEQUANTIZE"
    }
    return [_step(graph.tensors[sources.get(i, i)]) for i in graph.outputs]


def _step(tensor):
    scales = _quantization(tensor.quantization)["scales"]
    return scales[0] if scales else None


def _tensors(model, number):
    tensors = model.subgraphs[number].tensors
    return [
        file_report.TensorInfo(
            subgraph=number,
            index=index,
            name=flatbuffer.readable(tensor.name),
            shape=_shape(tensor),
            dtype=file_weights.DTYPES.get(tensor.type, f"type_{tensor.type}"),
            is_constant=flatbuffer.is_constant(model, tensor),
            is_sparse=tensor.sparsity is not None,
            **_quantization(tensor.quantization),
            size_bytes=_stored_bytes(model.buffers[tensor.buffer]),
        )
        for index, tensor in enumerate(tensors)
    ]


def _shape(tensor):
    is_open = tensor.shapeSignature is not None
    return _numbers(tensor.shapeSignature if is_open else tensor.shape)


def _quantization(quantization):
    quantization = quantization or schema.QuantizationParametersT()
    scales = _numbers(quantization.scale)
    return {
        "scales": scales,
        "zero_points": _numbers(quantization.zeroPoint),
        "quantized_axis": (
            quantization.quantizedDimension if len(scales) > 1 else None
        ),
    }


def _stored_bytes(buffer):
    return buffer.size if buffer.data is None else len(buffer.data)


def _numbers(vector):
    return () if vector is None else tuple(vector.tolist())


def _operators(model):
    counts = collections.Counter()
    versions = collections.defaultdict(set)
    for graph in model.subgraphs:
        for operator in graph.operators:
            name = flatbuffer.operator_name(model, operator)
            counts[name] += 1
            code = model.operatorCodes[operator.opcodeIndex]
            versions[name].add(code.version)
    names = sorted(counts)
    return {
        "ops": {name: counts[name] for name in names},
        "op_versions": {name: tuple(sorted(versions[name])) for name in names},
    }


def _float_tensors(model, graphs):
    for graph, tensors in zip(model.subgraphs, graphs, strict=True):
        labels = _labels(model, graph)
        for index in sorted(labels.keys() - {-1}):
            if tensors[index].dtype in _FLOAT_DTYPES:
                name = tensors[index].name
                # Files are given numbers where a tool insists on names.
                yield labels[index] if name in ("", str(index)) else name


def _labels(model, graph):
    """Returns {tensor: its producer, or else first reader}, of those in use."""
    labels = {}
    for operator in graph.operators:
        name = flatbuffer.operator_name(model, operator)
        for place, index in enumerate(operator.outputs):
            labels[int(index)] = f"{name}:{place} (#{index})"
        for place, index in enumerate(operator.inputs):
            label = f"input {place} of {name} (#{index})"
            labels.setdefault(int(index), label)
    return labels
