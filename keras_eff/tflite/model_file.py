"""A .tflite file as one object, which passes change one after another."""

import dataclasses
from collections.abc import Callable
from collections.abc import Iterable

from ai_edge_litert import schema_py_generated as schema

from keras_eff.tflite.flatbuffer import parse
from keras_eff.tflite.packing import check_inline
from keras_eff.tflite.packing import pack


@dataclasses.dataclass(frozen=True)
class ModelFile:
    """A .tflite file in memory.

    Attributes:
        model: The `schema.ModelT`: its graphs, tensors, buffers.
        data: Its bytes.
    """

    model: schema.ModelT
    data: bytes


def rewrite(
    data: bytes, passes: Iterable[Callable[[schema.ModelT], None]]
) -> ModelFile:
    """The file that passes make of another; it is parsed and packed once."""
    model = parse(data)
    check_inline(model)
    for change in passes:
        change(model)
    return ModelFile(model, pack(model))
