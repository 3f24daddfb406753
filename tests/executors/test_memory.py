"""Memory that workers have freed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = """
import ctypes, resource, sys, threading
from optuna_ofa.executors import keep_memory

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
libc.memset.argtypes = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t

def layers():
    for _ in range(20):
        tensor = libc.malloc(8 << 20)
        libc.memset(tensor, 1, 8 << 20)
        libc.free(tensor)

if sys.argv[1] == "kept":
    keep_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work = threading.Thread(target=layers) if sys.argv[2] == "thread" else None
if work is None:
    layers()
else:
    work.start()
    work.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def n_page_faults(*arguments: str) -> int:
    """Those of 20 tensors of 2,048 pages in a process as Dask's nanny starts it."""
    environment = {**os.environ, "MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, "-c", CODE, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(os, "confstr") or "glibc" not in os.confstr(2),  # type: ignore[operator]
    reason="only glibc has these settings",
)
@pytest.mark.parametrize("where", ["main", "thread"])  # Dask runs tasks in a thread
def test_freed_memory_is_used_again(where: str) -> None:
    assert n_page_faults("kept", where) < 10_000
    assert n_page_faults("not kept", where) > 35_000  # or the test above says nothing
