import hashlib
import os
import pathlib
import re

from keras_eff.atomic_write import atomic_write
from keras_eff.atomic_write import check_path
from keras_eff.tflite import flatbuffer

_BYTES_PER_LINE = 12

# Of C17 and C++20, and what GCC defines to be 1 outside of strict modes.
_RESERVED = """
alignas alignof and and_eq asm auto bitand bitor bool break case catch
char char16_t char32_t char8_t class co_await co_return co_yield compl
concept const const_cast consteval constexpr constinit continue decltype
default delete do double dynamic_cast else enum explicit export extern
false float for friend goto if inline int linux long mutable namespace
new noexcept not not_eq nullptr operator or or_eq private protected
public register reinterpret_cast requires restrict return short signed
sizeof static static_assert static_cast struct switch template this
thread_local throw true try typedef typeid typename union unix unsigned
using virtual void volatile wchar_t while xor xor_eq
"""

_HEADER = """\
/* {source}: {size} bytes, sha256
   {digest} */
#ifndef {guard}
#define {guard}

#if defined(__cplusplus)
#define {guard}_ALIGN alignas(16)
#elif defined(_MSC_VER)
#define {guard}_ALIGN __declspec(align(16))
#else
#define {guard}_ALIGN __attribute__((aligned(16)))
#endif

{guard}_ALIGN static const unsigned char {name}[] = {{
{values}
}};
static const unsigned int {name}_len = {size}u;

#undef {guard}_ALIGN

#endif
"""


def to_c_array(
    path: str | os.PathLike,
    header: str | os.PathLike,
    *,
    name: str | None = None,
) -> str:
    """Writes a .tflite file as a header for C (C99) and C++ (C++11).

    Microcontrollers have no file system: their programs hold the model as a
    constant, which `tflite::GetModel(name)` reads in place. The header
    defines `const unsigned char name[]`, aligned to 16 bytes as the format
    asks, and its length, `const unsigned int name_len`. Both are `static`:
    include it in one source file, or each that uses them holds a copy.

    Args:
        path: Path of a .tflite file.
        header: Path of the header to write, in a directory that exists. What
            is there is replaced, once the new one is complete.
        name: Name of the array, an identifier of C and C++: letters, digits
            and single underscores, beginning with a letter. Defaults to the
            name of the file without its extension, made an identifier.

    Returns:
        The name of the array.

    Raises:
        FileNotFoundError: If `path` is not a file.
        TypeError: If `header` is not a path.
        ValueError: If `path` is not a complete .tflite file, `header` is that
            very file, or `name` is not an identifier.
        OSError: If `header` cannot be written.

    Example:

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> report = keras_eff.export.to_tflite(model, "tiny-model.tflite")
    >>> keras_eff.export.to_c_array("tiny-model.tflite", "tiny_model.h")
    'tiny_model'
    """
    data = flatbuffer.read(path)
    flatbuffer.parse(data)
    header = check_path(header, "header")
    if header.exists() and header.samefile(path):
        raise ValueError(
            "Argument `header` must be another file than `path`. Received: "
            f"header={str(header)!r}"
        )
    source = pathlib.Path(path)
    name = _default_name(source.stem) if name is None else _checked(name)
    with atomic_write(header, _text(data, name, source.name).encode("ascii")):
        pass
    return name


def _default_name(stem):
    name = re.sub("[^0-9A-Za-z]+", "_", stem).strip("_")
    is_usable = name[:1].isalpha() and name not in _RESERVED.split()
    return name if is_usable else f"model_{name}".rstrip("_")


def _checked(name):
    is_text = isinstance(name, str)
    is_plain = is_text and re.fullmatch("[A-Za-z](_?[0-9A-Za-z])*_?", name)
    if not is_plain or name in _RESERVED.split():
        raise ValueError(
            "Argument `name` must be an identifier of C and C++: letters, "
            "digits and single underscores, beginning with a letter, not a "
            f"keyword. Received: name={name!r}"
        )
    return name


def _text(data, name, source):
    return _HEADER.format(
        source=ascii(source),
        size=len(data),
        digest=hashlib.sha256(data).hexdigest(),
        guard=f"KERAS_EFF_{name.upper()}_H",
        name=name,
        values="\n".join(_lines(data)),
    )


def _lines(data):
    for start in range(0, len(data), _BYTES_PER_LINE):
        row = data[start : start + _BYTES_PER_LINE].hex(" ")
        yield "  0x" + row.replace(" ", ", 0x") + ","
