import collections

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_eff.tflite.flatbuffer import intermediates

# What a runtime or a delegate acts on; the rest describes the conversion.
_KEPT_METADATA = {
    b"min_runtime_version",
    b"model_control_dependencies",
    b"reduced_precision_support",
    b"TFLITE_METADATA",
}


def strip_metadata(model: schema.ModelT) -> None:
    """Removes from a .tflite file what no runtime reads.

    Tensor names go, except those of the inputs and outputs, and with them the
    graph names, the description, conversion metadata, training ranges, what
    says that a shape has a rank, tensors and operator codes that no operator
    uses. Equal constants are stored once.
    Signatures stay. The file computes bit for bit what it did.
    """
    model.description = model.metadataBuffer = None
    _drop_metadata(model)
    visible = {0, *(s.subgraphIndex for s in model.signatureDefs or [])}
    for number, graph in enumerate(model.subgraphs):
        _strip_names(graph, keep_ends=number in visible)
        _strip_quantization(graph)
        _strip_ranks(graph)
    drop_unused_tensors(model)
    _merge_operator_codes(model)
    merge_buffers(model)


def merge_buffers(model: schema.ModelT) -> None:
    """Keeps one buffer of each content, and none that nothing refers to."""
    empty = schema.BufferT()
    numbers, kept = {_content(empty): 0}, [empty]
    tensors = [t for graph in model.subgraphs for t in graph.tensors]
    for owner in [*tensors, *(model.metadata or [])]:
        buffer = model.buffers[owner.buffer]
        key = _content(buffer)
        if key not in numbers:
            numbers[key] = len(kept)
            kept.append(buffer)
        owner.buffer = numbers[key]
    model.buffers = kept


def drop_unused_tensors(model: schema.ModelT) -> None:
    """Keeps the tensors that an operator, a graph or a signature refers to."""
    for number, graph in enumerate(model.subgraphs):
        ports = [
            port
            for signature in model.signatureDefs or []
            if signature.subgraphIndex == number
            for port in (*signature.inputs, *signature.outputs)
        ]
        used = _used_tensors(graph) | {port.tensorIndex for port in ports}
        numbers = {old: new for new, old in enumerate(sorted(used))}
        graph.tensors = [graph.tensors[old] for old in numbers]
        _renumber_tensors(graph, ports, numbers | {-1: -1})


def _drop_metadata(model):
    model.metadata = [
        entry for entry in model.metadata or [] if entry.name in _KEPT_METADATA
    ]
    for graph in model.subgraphs:
        for owner in (graph, *graph.operators):
            owner.debugMetadataIndex = -1


def _strip_names(graph, keep_ends):
    ends = {*graph.inputs, *graph.outputs} if keep_ends else set()
    graph.name = None
    for index, tensor in enumerate(graph.tensors):
        if index not in ends:
            tensor.name = None


def _strip_quantization(graph):
    """Drops the ranges seen in training; scales and zero points stay."""
    for tensor in graph.tensors:
        quantization = tensor.quantization
        if quantization is None:
            continue
        quantization.min = quantization.max = None
        if quantization.scale is None and quantization.details is None:
            tensor.quantization = None


def _strip_ranks(graph):
    """Drops a flag that only says something of tensors without a shape."""
    for tensor in graph.tensors:
        if tensor.shape is not None and len(tensor.shape):
            tensor.hasRank = False


def _used_tensors(graph):
    vectors = [graph.inputs, graph.outputs]
    for operator in graph.operators:
        vectors += [operator.inputs, operator.outputs]
        vectors += [intermediates(operator)]
    return {int(index) for vector in vectors for index in vector} - {-1}


def _renumber_tensors(graph, ports, numbers):
    for owner in (graph, *graph.operators):
        owner.inputs = _renumber(owner.inputs, numbers)
        owner.outputs = _renumber(owner.outputs, numbers)
    for operator in graph.operators:
        if operator.intermediates is not None:
            operator.intermediates = _renumber(operator.intermediates, numbers)
    for port in ports:
        port.tensorIndex = numbers[port.tensorIndex]


def _content(buffer):
    """Returns what tells buffers apart; `pack` refuses those with offsets."""
    if buffer.data is None:
        return (buffer.offset, buffer.size)
    return bytes(buffer.data)


def _renumber(indices, numbers):
    return np.array([numbers[index] for index in indices], np.int32)


def _merge_operator_codes(model):
    """Keeps one code of each kind, the most used first: number 0 is free."""
    uses, codes = collections.Counter(), {}
    for graph in model.subgraphs:
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            operator.opcodeIndex = key = tuple(vars(code).values())
            codes.setdefault(key, code)
            uses[key] += 1
    numbers = {key: n for n, (key, _) in enumerate(uses.most_common())}
    for graph in model.subgraphs:
        for operator in graph.operators:
            operator.opcodeIndex = numbers[operator.opcodeIndex]
    model.operatorCodes = [codes[key] for key in numbers]
