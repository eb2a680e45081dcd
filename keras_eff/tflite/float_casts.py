import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_eff.tflite.flatbuffer import operator_name
from keras_eff.tflite.strip_metadata import drop_unused_tensors

_EXACT = (schema.TensorType.BOOL, schema.TensorType.INT8)


def drop_float_casts(model: schema.ModelT) -> None:
    """Takes integers into integer tensors without a float on the way.

    Where a CAST makes floats of booleans or 8-bit integers, and a QUANTIZE
    makes 8-bit integers of them again, with the scale 1 and the zero point 0
    and nothing but a RESHAPE between, nothing is rounded: the CAST writes the
    integers itself.
    """
    for graph in model.subgraphs:
        names = {id(x): operator_name(model, x) for x in graph.operators}
        folded = [
            operator
            for operator in graph.operators
            if names[id(operator)] == "QUANTIZE"
            and _fold(graph, names, operator)
        ]
        graph.operators = [x for x in graph.operators if x not in folded]
    drop_unused_tensors(model)


def _fold(graph, names, quantize):
    """Makes integers of all from the CAST to here; whether there is one."""
    output = int(quantize.outputs[0])
    if not _is_exact(graph.tensors[output]):
        return False
    chain, index = [], int(quantize.inputs[0])
    while not chain or names[id(chain[-1])] != "CAST":
        maker = _only_use(graph, index)
        if maker is None or names[id(maker)] not in ("CAST", "RESHAPE"):
            return False
        chain.append(maker)
        index = int(maker.inputs[0])
    if graph.tensors[index].type not in _EXACT:
        return False
    for operator in chain:
        tensor = graph.tensors[operator.outputs[0]]
        tensor.type = schema.TensorType.INT8
        tensor.quantization = graph.tensors[output].quantization
    chain[0].outputs = np.array([output], np.int32)
    # The runtime reads the types off the tensors.
    chain[-1].builtinOptions = None
    chain[-1].builtinOptionsType = schema.BuiltinOptions.NONE
    return True


def _only_use(graph, index):
    """The operator that makes a tensor which is read just once, or None."""
    readers = [int(i) for x in graph.operators for i in x.inputs]
    readers += [int(i) for i in graph.outputs]
    makers = [x for x in graph.operators if index in x.outputs]
    return makers[0] if makers and readers.count(index) == 1 else None


def _is_exact(tensor):
    quantization = tensor.quantization
    return (
        tensor.type == schema.TensorType.INT8
        and list(quantization.scale) == [1.0]
        and list(quantization.zeroPoint) == [0]
    )
