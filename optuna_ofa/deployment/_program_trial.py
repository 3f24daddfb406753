"""Trying an ExecuTorch program in a separate process, which a damaged program may crash."""

from __future__ import annotations

import subprocess
import sys

from optuna_ofa.space import Subnet

_TIMEOUT_S = 120  # with the imports
_RUN_S = 4  # and a second for each image
_SCRIPT = """\
import faulthandler
import sys
import torch
from executorch.runtime import Runtime
batch, *shape = (int(n) for n in sys.argv[2:])
faulthandler.dump_traceback_later(int(sys.argv[1]) + batch, exit=True)
program = Runtime.get().load_program(sys.stdin.buffer.read())
program.load_method("forward").execute([torch.zeros(batch, *shape)])
"""


def try_program(content: bytes, subnet: Subnet, batch: int) -> None:
    """Load and run a program once in another process.

    Args:
        content: The program.
        subnet: The subnet that it computes.
        batch: Images at once.

    Raises:
        ValueError: If that process fails, crashes or does not end.
    """
    size = subnet.resolution
    shape = (batch, subnet.family.in_channels, size, size)
    command = [sys.executable, "-c", _SCRIPT, str(_RUN_S), *map(str, shape)]
    try:
        tried = subprocess.run(  # noqa: S603, this interpreter
            command, input=content, capture_output=True, timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"it did not end within {_TIMEOUT_S} s") from error
    if tried.returncode:
        said = tried.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise ValueError(f"ExecuTorch ended with code {tried.returncode}: {said[:100]}")
