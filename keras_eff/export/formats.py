"""The number formats that a .tflite file can be written in."""

import dataclasses

import numpy as np

from keras_eff.arguments import read_choice
from keras_eff.arguments import wrong_argument

_INT8_IO_DTYPES = ("int8", "uint8", "float32")


@dataclasses.dataclass(frozen=True)
class Format:
    """What holds for all files of one format.

    Attributes:
        converted_as: What the converter is asked for: "float32", "float16",
            "dynamic", "int8" or "int16x8".
        tolerance: Mean error over the largest output above which a file is
            refused. What was measured on correct files is in
            benchmarks/export/README.md, and a wrong one misses by far.
        io_dtypes: What its float inputs and outputs can be; the first is the
            default.
        takes_zeros: Whether weights can be stored without their zeros.
        rounded_bits: Width, in bits, to which post-training quantization cuts
            the weights; None where the converter does it, or nobody.
        is_integer: Whether it computes with integers.
    """

    converted_as: str
    tolerance: float
    io_dtypes: tuple[str, ...] = ("float32",)
    takes_zeros: bool = False
    rounded_bits: int | None = None
    is_integer: bool = False

    @property
    def is_weight_only(self) -> bool:
        return self.rounded_bits is not None and not self.is_integer


FORMATS = {
    "float32": Format("float32", 1e-4, takes_zeros=True),
    "float16": Format("float16", 1e-2, takes_zeros=True),
    # Takes them nowhere: `check_sparsity` says what to do instead.
    "dynamic": Format("dynamic", 3e-2, takes_zeros=True),
    "int8": Format("int8", 3e-2, _INT8_IO_DTYPES, True, 8, True),
    "int4": Format("int8", 3e-2, _INT8_IO_DTYPES, False, 4, True),
    "int16x8": Format("int16x8", 1e-2, ("int16", "float32"), is_integer=True),
    "weight_only_int8": Format("float32", 1e-4, rounded_bits=8),
    "weight_only_int4": Format("float32", 1e-4, rounded_bits=4),
}
_QUANTIZE = (None, *(name for name in FORMATS if name != "float32"))
_OF_AWARE_MODELS = (None, "int4")
_WITH_OUR_RANGES = ("int8", "int4")


def type_name(value):
    """The name of a NumPy or TensorFlow dtype; anything else as it is."""
    if isinstance(value, type) and issubclass(value, np.generic):
        value = np.dtype(value)
    name = getattr(value, "name", None)
    return name if isinstance(name, str) else value


def check_format(quantize: str | None, is_aware: bool) -> str:
    """The name of the format of a file."""
    quantize = read_choice("quantize", type_name(quantize), _QUANTIZE)
    if is_aware and quantize == "int16x8":
        raise ValueError(
            "A model with `FakeQuant` layers has ranges for 8 bits, with "
            'which the converter writes a wrong file of 16: use "int16x8" on '
            f"the float model. Received: quantize={quantize!r}"
        )
    if is_aware and quantize not in _OF_AWARE_MODELS:
        raise ValueError(
            "A model with `FakeQuant` layers becomes a file of integers: "
            'leave `quantize` at None, or use "int4" for weights of 4 bits or '
            f"fewer. Received: quantize={quantize!r}"
        )
    return quantize or ("int8" if is_aware else "float32")


def check_options(
    name: str,
    is_aware: bool,
    samples,
    method: str,
    io_dtype: str | None,
    sparse: bool,
) -> str:
    """Raises unless a format takes the arguments; the `io_dtype`."""
    chosen = FORMATS[name]
    io_dtype = type_name(io_dtype)
    if chosen.is_integer and not is_aware and samples is None:
        raise ValueError(
            "Post-training quantization needs `samples`, a few hundred "
            f'inputs. Received: quantize="{name}", samples=None'
        )
    finds_ranges = name in _WITH_OUR_RANGES and not is_aware
    if method != "minmax" and not finds_ranges:
        raise ValueError(
            'Argument `method` must be "minmax" but for post-training '
            f"quantization to {_WITH_OUR_RANGES}. Received: method={method!r}"
        )
    if sparse and not chosen.takes_zeros:
        raise ValueError(
            f'Argument `sparse` must be False for "{name}", which no runtime '
            f"is known to read without its zeros. Received: sparse={sparse!r}"
        )
    if io_dtype is not None and io_dtype not in chosen.io_dtypes:
        expected = f'None or one of {chosen.io_dtypes} in a file of "{name}"'
        raise wrong_argument("io_dtype", io_dtype, expected)
    return io_dtype or chosen.io_dtypes[0]
