"""Files of LiteRT as arrays in headers of C and C++, for microcontrollers without files."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib.metadata import version

from optuna_ofa.graphs import LiteRTFile, read_litert, resolver_method
from optuna_ofa.space import Subnet

_PER_LINE = 12
_ALIGNMENT = 16  # bytes, as TFLite Micro wants its models
_ARRAY = re.compile(r"\] = \{\n([0-9a-fx, \n]*)\};\n")
_ARENA = re.compile(r"^#define \w+_ARENA_BYTES (\d+)$", re.MULTILINE)


def c_name(stem: str) -> str:
    """Return the name of the array in a header that is called like that."""
    name = re.sub(r"\W", "_", f"{stem}_tflite", flags=re.ASCII)
    return f"net_{name}" if name[0].isdigit() else name


def header_of(content: bytes, name: str, subnet: Subnet, arena_bytes: int, source: str) -> bytes:
    """Return a header with a file in an array.

    Args:
        content: The file, in 8-bit integers, of operators that TFLite Micro has.
        name: Name of the array; macros begin with it, in capitals.
        subnet: The subnet that it computes.
        arena_bytes: Memory for the tensors that TFLite Micro needs.
        source: What ``arena_bytes`` is: measured with which version, or predicted.
    """
    file, macro = read_litert(content), name.upper()
    lines = [
        *_comment(file, subnet, arena_bytes, source),
        f"#ifndef {macro}_H",
        f"#define {macro}_H",
        "",
        *_defines(file, macro, len(content), arena_bytes),
        "",
        "#ifdef __cplusplus",
        f"alignas({_ALIGNMENT})",
        "#else",
        f"_Alignas({_ALIGNMENT})",
        "#endif",
        f"static const unsigned char {name}[{macro}_LENGTH] = {{",
    ]
    rows = [content[i : i + _PER_LINE] for i in range(0, len(content), _PER_LINE)]
    lines += [f"  {', '.join(f'0x{byte:02x}' for byte in row)}," for row in rows]
    return "\n".join([*lines, "};", "", f"#endif  /* {macro}_H */", ""]).encode()


def content_of(header: bytes) -> bytes:
    """Return the file that is in a header.

    Raises:
        ValueError: If it has no array of bytes.
    """
    found = _ARRAY.search(header.decode("ascii"))
    if found is None:
        raise ValueError("it has no array")
    return bytes.fromhex(found[1].replace("0x", " ").replace(",", " "))


def arena_in(header: bytes) -> int:
    """Return the bytes of the arena that a header names."""
    found = _ARENA.search(header.decode("ascii"))
    assert found is not None
    return int(found[1])


def _comment(file: LiteRTFile, subnet: Subnet, arena_bytes: int, source: str) -> list[str]:
    (images,), (logits,) = file.inputs, file.outputs
    shown = json.dumps(subnet.to_dict()).replace("*/", "* /")
    adds = [f"     resolver.{resolver_method(operator)}();" for operator in file.operators]
    return [
        f"/* A subnet of {subnet.family.name} for TensorFlow Lite Micro, written by optuna-ofa "
        f"{version('optuna-ofa')}.",
        "",
        f"   Subnet: {shown}",
        f"   Input: int8 {list(images.shape)}, NHWC; stored = round(pixel / scale) + zero point, "
        "clipped to",
        "     -128..127, of pixels normalised as those of the calibration.",
        f"   Output: int8 {list(logits.shape)}; logit = scale * (stored - zero point).",
        f"   Arena: {arena_bytes} bytes, {source}.",
        f"   Operators: tflite::MicroMutableOpResolver<{len(file.operators)}> resolver;",
        *adds,
        "*/",
    ]


def _defines(file: LiteRTFile, macro: str, n_bytes: int, arena_bytes: int) -> Sequence[str]:
    lines = [
        f"#define {macro}_LENGTH {n_bytes}",
        f"#define {macro}_ARENA_BYTES {arena_bytes}",
        f"#define {macro}_N_OPERATORS {len(file.operators)}",
    ]
    for name, tensor in (("INPUT", file.inputs[0]), ("OUTPUT", file.outputs[0])):
        lines.append(f"#define {macro}_{name}_SCALE {tensor.scale!r}f")
        lines.append(f"#define {macro}_{name}_ZERO_POINT ({tensor.zero_point})")
    return lines
