"""The memory that TFLite Micro's own interpreter needs for a network."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from typing import NamedTuple

from optuna_ofa._imports import try_import
from optuna_ofa.exceptions import FormatError

TFLITE_MICRO = try_import("tflite_micro.python.tflite_micro.runtime", extra="microcontroller")
_TIMEOUT_S = 120  # with the imports
_LARGEST = 64 * 2**20  # bytes; the interpreter crashes if its arena is too small
_SCRIPT = f"""\
import sys
from tflite_micro.python.tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema
content = sys.stdin.buffer.read()
model = schema.Model.GetRootAs(content, 0)
if any(model.Buffers(i).Offset() > 1 for i in range(model.BuffersLength())):
    sys.exit("it has weights outside of its flatbuffer, which would count as activations")
runtime.Interpreter.from_bytes(content, arena_size={_LARGEST}).print_allocations()
"""
_FIGURE = re.compile(r"Arena allocation (total|head|tail) (\d+) bytes")


class Arena(NamedTuple):
    """The tensor arena of TFLite Micro in bytes, as its interpreter on this machine reports it.

    Args:
        total: The whole arena.
        planned: Activations and scratch buffers, which share memory by their lifetimes ("head").
        persistent: Structures and data of tensors and operators ("tail"). Those with pointers are
            larger on 64-bit machines than on microcontrollers.
    """

    total: int
    planned: int
    persistent: int


def tflite_micro_version() -> str:
    """Return the version of the installed ``tflite-micro``.

    Raises:
        MissingDependencyError: If it is not installed.
    """
    TFLITE_MICRO.check()
    return version("tflite-micro")


def arena_of(content: bytes) -> Arena:
    """Return the arena that TFLite Micro allocates for a network, in another process.

    A damaged file, or an operator that the interpreter does not know, may crash that process.

    Args:
        content: The ``.tflite`` file.

    Raises:
        FormatError: If the interpreter cannot run it.
        MissingDependencyError: If ``tflite-micro`` is not installed.
    """
    TFLITE_MICRO.check()
    command = [sys.executable, "-c", _SCRIPT]
    try:
        ran = subprocess.run(  # noqa: S603, this interpreter
            command, input=content, capture_output=True, timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise FormatError(f"TFLite Micro did not end within {_TIMEOUT_S} s.") from error
    said = ran.stderr.decode(errors="replace")
    found = {name: int(number) for name, number in _FIGURE.findall(said)}
    if ran.returncode or found.keys() != {"total", "head", "tail"}:
        raise FormatError(
            f"TFLite Micro cannot run the file; it ended with code {ran.returncode}: "
            f"{_reason(said)}"
        )
    return Arena(found["total"], found["head"], found["tail"])


def _reason(said: str) -> str:
    """Return the first line that is not of a traceback; errors of C++ come before it."""
    lines = said.strip().splitlines() or ["it says nothing"]
    first = lines[-1] if lines[0].startswith("Traceback") else lines[0]
    return first[:300]
