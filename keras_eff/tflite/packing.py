import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_IDENTIFIER = b"TFL3"
_SPARE_BYTES = 2**16
# The schema asks it of every constant (`force_align: 16`).
_ALIGNMENT = 16
_OFFSET = flatbuffers.number_types.UOffsetTFlags


def pack(model: schema.ModelT) -> bytes:
    """The .tflite file of a model: the same bytes for the same model."""
    check_inline(model)
    size = sum(len(b.data) for b in model.buffers if b.data is not None)
    builder = _SharingBuilder(size + _SPARE_BYTES)
    builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def check_inline(model: schema.ModelT) -> None:
    """Raises unless a model can be changed and packed."""
    operators = [op for graph in model.subgraphs for op in graph.operators]
    outside = [buffer for buffer in model.buffers if buffer.offset]
    outside += model.externalBuffers or []
    outside += [op for op in operators if op.largeCustomOptionsOffset]
    unknown = [op for op in operators if _has_unknown_options(op)]
    if outside or unknown:
        raise ValueError(
            "The model must keep its data inside its tables and use operators "
            f"that this LiteRT knows. Received: {len(outside)} data outside "
            f"the tables, {len(unknown)} operators with unknown options"
        )


class _SharingBuilder(flatbuffers.Builder):
    """A builder that aligns constants and stores equal content once.

    A flatbuffer refers to vectors, names and tables by offset, so that many
    tables may refer to one: the zero points of all per-channel weights, equal
    shapes, the options of equal convolutions. The base class writes each
    again, and aligns bytes, which hold the constants, to 4. The fields of a
    table wait for its end, to be written if it is new.
    """

    def __init__(self, size: int):
        super().__init__(size)
        self._offsets = {}
        self._fields = []

    def CreateNumpyVector(self, x):  # noqa: N802
        if x.dtype == np.uint8:
            self.Prep(_ALIGNMENT, x.nbytes)
            return super().CreateNumpyVector(x)
        key = (x.dtype.str, x.tobytes())
        if key not in self._offsets:
            self._offsets[key] = super().CreateNumpyVector(x)
        return self._offsets[key]

    def CreateString(self, s, *args):  # noqa: N802
        if s not in self._offsets:
            self._offsets[s] = super().CreateString(s, *args)
        return self._offsets[s]

    def StartObject(self, numfields):  # noqa: N802
        super().StartObject(numfields)
        self._fields = []

    def PrependSlot(self, flags, o, x, d):  # noqa: N802
        if x != d:
            self._fields.append((flags, o, x))

    def PrependUOffsetTRelativeSlot(self, o, x, d):  # noqa: N802
        self.PrependSlot(_OFFSET, o, x, d)

    def EndObject(self):  # noqa: N802
        key = tuple(self._fields)
        if key in self._offsets:
            self.nested, self.current_vtable = False, None
            return self._offsets[key]
        # Short ones side by side: each fills up to the width of the next.
        for flags, o, x in sorted(self._fields, key=_width):
            if flags is _OFFSET:
                self.PrependUOffsetTRelative(x)
            else:
                self.Prepend(flags, x)
            self.Slot(o)
        self._offsets[key] = super().EndObject()
        return self._offsets[key]


def _width(field):
    return field[0].bytewidth


def _has_unknown_options(operator):
    first = operator.builtinOptionsType and operator.builtinOptions is None
    second = operator.builtinOptions2Type and operator.builtinOptions2 is None
    return bool(first or second)
