"""The inputs and outputs of a .tflite file: their names, its signature."""

import itertools

from ai_edge_litert import schema_py_generated as schema

_SIGNATURE = b"serving_default"
_FLOATS = (schema.TensorType.FLOAT16, schema.TensorType.FLOAT32)


def write_signature(
    model: schema.ModelT, inputs: list[str], outputs: list[str]
) -> None:
    """Gives a .tflite file its signature and the names that tools ask for.

    The converter calls inputs and outputs after whatever operation happened
    to make them. In a file that computes with floats, which other tools may go
    on to quantize, a tensor without a name gets its number as one: they find
    tensors by name. Nobody looks for those of a file of integers.
    """
    graph = model.subgraphs[0]
    signature = schema.SignatureDefT()
    signature.signatureKey = _SIGNATURE
    signature.inputs = _ports(graph.inputs, inputs)
    signature.outputs = _ports(graph.outputs, outputs)
    model.signatureDefs = [signature]
    tensors = [t for each in model.subgraphs for t in each.tensors]
    names = _end_names(signature)
    if any(tensor.type in _FLOATS for tensor in tensors):
        for number, tensor in enumerate(tensors):
            tensor.name = tensor.name or b"%d" % number
    taken = set(names.values())
    for number, tensor in enumerate(tensors):
        if number in names:
            tensor.name = names[number]
        elif tensor.name:
            tensor.name = _free(tensor.name, taken)
            taken.add(tensor.name)


def _ports(indices, names):
    return [
        schema.TensorMapT(name.encode(), int(index))
        for index, name in zip(indices, names, strict=True)
    ]


def _end_names(signature):
    """{tensor: name}: one for each, even of a tensor that is two ends."""
    names = {}
    for port in (*signature.inputs, *signature.outputs):
        if port.tensorIndex not in names:
            names[port.tensorIndex] = _free(port.name, set(names.values()))
    return names


def _free(name, taken):
    """The name, numbered if it is taken."""
    names = (name + (b"_%d" % i if i else b"") for i in itertools.count())
    return next(n for n in names if n not in taken)
