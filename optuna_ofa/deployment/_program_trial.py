"""Trying a program in a separate process, which a damaged program may crash."""

from __future__ import annotations

import subprocess
import sys

from optuna_ofa.space import Subnet

_TIMEOUT_S = 120  # with the imports
_RUN_S = 4  # and a second for each image
# the time counts from here: the imports before it take seconds
_WATCHED = """\
batch, channels, *size = (int(n) for n in sys.argv[2:])
faulthandler.dump_traceback_later(int(sys.argv[1]) + batch, exit=True)
"""
_EXECUTORCH = f"""\
import faulthandler, sys, torch
from executorch.runtime import Runtime
{_WATCHED}
program = Runtime.get().load_program(sys.stdin.buffer.read())
program.load_method("forward").execute([torch.zeros(batch, channels, *size)])
"""
_LITERT = f"""\
import faulthandler, sys, numpy as np
from ai_edge_litert.interpreter import Interpreter
{_WATCHED}
interpreter = Interpreter(model_content=sys.stdin.buffer.read(), num_threads=1)
interpreter.allocate_tensors()
(given,) = interpreter.get_input_details()
interpreter.set_tensor(given["index"], np.zeros((batch, *size, channels), given["dtype"]))
interpreter.invoke()
"""


def try_executorch(content: bytes, subnet: Subnet, batch: int) -> None:
    """Load and run a program of ExecuTorch once in another process.

    Args:
        content: The program.
        subnet: The subnet that it computes.
        batch: Images at once.

    Raises:
        ValueError: If that process fails, crashes or does not end.
    """
    _try("ExecuTorch", _EXECUTORCH, content, subnet, batch)


def try_litert(content: bytes, subnet: Subnet, batch: int) -> None:
    """Load and run a file of LiteRT once in another process.

    Args:
        content: The file.
        subnet: The subnet that it computes.
        batch: Images at once.

    Raises:
        ValueError: If that process fails, crashes or does not end.
    """
    _try("LiteRT", _LITERT, content, subnet, batch)


def _try(runtime: str, script: str, content: bytes, subnet: Subnet, batch: int) -> None:
    size = subnet.resolution
    shape = (batch, subnet.family.in_channels, size, size)
    command = [sys.executable, "-c", script, str(_RUN_S), *map(str, shape)]
    try:
        tried = subprocess.run(  # noqa: S603, this interpreter
            command, input=content, capture_output=True, timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"it did not end within {_TIMEOUT_S} s") from error
    if tried.returncode:
        said = tried.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise ValueError(f"{runtime} ended with code {tried.returncode}: {said[:100]}")
