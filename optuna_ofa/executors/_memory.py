"""Memory that a worker has freed, and needs again at once."""

from __future__ import annotations

import ctypes
import functools
import sys

# of glibc's malloc.h
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT, _LARGEST = 256 << 20, 32 << 20  # bytes; glibc takes no larger value for the second


@functools.cache
def keep_memory() -> None:
    """Let this process keep up to 256 MB that it has freed, instead of returning each tensor.

    Otherwise the system clears the same memory for each layer again: half of the time of a small
    network where an engine sets ``MALLOC_TRIM_THRESHOLD_``, as Dask does for workers with a nanny,
    and about a tenth elsewhere. Does nothing where the C library is not glibc.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_TRIM_THRESHOLD, _KEPT)
    mallopt(_MMAP_THRESHOLD, _LARGEST)
