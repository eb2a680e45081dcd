from keras_eff.export.flatbuffer import parse
from keras_eff.export.packing import pack


def name_ends(data: bytes, inputs: list[str], outputs: list[str]) -> bytes:
    """Names the inputs and outputs of a .tflite file, in its order.

    The converter calls them after whatever operation happened to make them.
    """
    model = parse(data)
    graph = model.subgraphs[0]
    for indices, names in ((graph.inputs, inputs), (graph.outputs, outputs)):
        for index, name in zip(indices, names, strict=True):
            graph.tensors[index].name = name.encode()
    return pack(model)
