"""Errors of a device, as opposed to those of a single network."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from pickle import UnpicklingError

# Lost connections and files, broken workers, and faulty code: none of them says anything about a
# network.
_TYPES = (
    OSError,
    EOFError,
    BrokenExecutor,
    UnpicklingError,
    ImportError,
    AttributeError,
    NameError,
)
_WORDS = re.compile(
    r"\b(cuda|cudnn|cublas|hip|rocm|mps|xpu|metal|vulkan|opencl)\b[^.]{0,40}\b(error|failure|lost)"
    r"|(cudnn|cublas)_status_|device[- ]side assert|no such device|not connected|disconnected"
    r"|unplugged|timed out|terminated abruptly|broken (pipe|worker|process)"
    r"|\bdevice\b[^.]{0,30}\b(lost|gone|removed|reset|unavailable|unreachable|offline|unauthorized"
    r"|not (found|available|responding))"
    r"|\b(connection|link|socket)\b[^.]{0,30}\b(lost|reset|closed|refused|aborted|broken)"
    r"|\bworker\b[^.]{0,30}\b(died|crashed|broken|lost|gone|exited|killed)",
    re.IGNORECASE,
)


class DeviceError(RuntimeError):
    """The device no longer responds, or cannot run anything."""


def is_device_error(error: BaseException) -> bool:
    """Return whether an error is that of the device or the process, not of a single network.

    It is if its type says so (`OSError`, including `ConnectionError` and `TimeoutError`, a broken
    pool, an import that fails, CUDA errors of torch), or its message.
    """
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, (DeviceError, *_TYPES)) or "AcceleratorError" in kinds:
        return True
    return _WORDS.search(str(error)) is not None


@contextlib.contextmanager
def device_errors(what: str) -> Iterator[None]:
    """Raise a `DeviceError` for any exception; ``what`` begins its message."""
    try:
        yield
    except Exception as error:
        raise DeviceError(f"{what}: {type(error).__name__}: {error}") from error
