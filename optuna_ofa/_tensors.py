"""Reading torch files: plausible tensors and plain values, never objects that could run code."""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from optuna_ofa._files import read_bytes
from optuna_ofa._quiet import quiet
from optuna_ofa.exceptions import FormatError

if TYPE_CHECKING:
    from torch import Tensor

MAX_MB = 4096
# of the values in a file, and of mappings and lists in each other
MAX_VALUES, MAX_DEPTH = 1_000_000, 20
# no weight or statistic is larger; a flipped bit of an exponent gives 1e20 and more
LARGEST = 1e12
DTYPES = (
    *("float16", "bfloat16", "float32", "float64"),
    *("bool", "uint8", "int8", "int16", "int32", "int64"),
)
_SIGNED = {"running_var": "negative variance", "num_batches_tracked": "negative count"}


def read_tensors(path: Path, argument: str, what: str, *, max_mb: float = MAX_MB) -> Any:
    """Return the content of a torch file that holds only tensors and plain values.

    Args:
        path: The file.
        argument: Name of the caller's argument that error messages begin with.
        what: What the file must be, for messages: "a checkpoint of tensors".
        max_mb: The largest size to accept, in megabytes of 10^6 bytes.

    Raises:
        FormatError: If it is missing, damaged, or holds objects of other classes, or numbers that
            no weight or statistic can be.
    """
    content = read_bytes(path, argument, max_mb=max_mb)
    try:
        return parse_tensors(content)
    except ValueError as error:
        raise FormatError(f"`{argument}` must be {what}, but {path} {error}.") from None


def parse_tensors(content: bytes) -> Any:
    """Return what a torch file holds.

    Raises:
        ValueError: If it is damaged, holds objects of other classes, or implausible numbers.
    """
    import torch  # slow to import, and most families are given by name

    try:
        if content.startswith(b"PK\x03\x04"):
            with open_archive(content):
                pass  # torch does not compare checksums
        with quiet():
            found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files raise many kinds of errors
        # torch's own message suggests running any code that the file holds
        foreign = re.search(r"GLOBAL (\S+)", str(error))
        if foreign is None:
            raise ValueError("is cut off, damaged or of another format") from error
        raise ValueError(
            f"holds objects of the class {foreign[1]:.100}, which are not read"
        ) from error
    check_values(found, len(content))
    return found


def open_archive(content: bytes) -> zipfile.ZipFile:
    """Return a ZIP archive after checking the names, sizes and checksums of its members.

    Raises:
        ValueError, zipfile.BadZipFile: If it is damaged, two members have the same name, a name is
            not that of a file below a folder, or it is larger unpacked than packed.
    """
    archive = zipfile.ZipFile(io.BytesIO(content))
    members = archive.infolist()
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise ValueError("it has two members of the same name")
    stray = [n for n in names if n.startswith("/") or ".." in PurePosixPath(n).parts]
    if stray:
        raise ValueError(f"it has a member {stray[0]!r:.100}")
    if sum(member.file_size for member in members) > len(content):
        raise ValueError("it is larger unpacked than packed")
    damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"its member {damaged!r:.100} is damaged")
    return archive


def check_values(content: Any, n_bytes: int) -> None:
    """Refuse the content of a file if it has a number that no weight or statistic can be.

    Args:
        content: Tensors and plain values in mappings and sequences.
        n_bytes: Size of the file, which the tensors must not exceed.

    Raises:
        ValueError: With the name and the value.
    """
    import torch

    left = n_bytes
    for name, value in _leaves(content):
        if isinstance(value, torch.Tensor):
            left -= _stored_bytes(name, value)
            if left < 0:
                raise ValueError(f"is smaller than the tensors that it describes, at `{name:.100}`")
            found = flaw(name, value)
            if found is not None:
                raise ValueError(f"has {found}")
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"has {value} at `{name:.100}`")


def _leaves(content: Any) -> Iterator[tuple[str, Any]]:
    """Yield the values inside of mappings and sequences, with their names joined by dots."""
    left = [("", content, 0)]
    n = 0
    while left:
        name, value, depth = left.pop()
        n += 1
        if n > MAX_VALUES or depth > MAX_DEPTH:
            raise ValueError("has too many values, or too many in each other")
        items: Any = ()
        if isinstance(value, Mapping):
            items = value.items()
        elif isinstance(value, list | tuple | set):
            items = enumerate(value)
        else:
            yield name, value
        for key, item in items:
            part = key if isinstance(key, str | int) else type(key).__name__
            left.append((f"{name}.{part}" if name else f"{part}", item, depth + 1))


def _stored_bytes(name: str, tensor: Tensor) -> int:
    """Return the bytes of a tensor that is stored entry by entry.

    Raises:
        ValueError: If it is sparse, quantized, without data, of another type than real numbers, or
            larger than its storage.
    """
    import torch

    kind = str(tensor.dtype).removeprefix("torch.")
    if kind not in DTYPES or tensor.layout != torch.strided or tensor.device.type != "cpu":
        raise ValueError(
            f"has {kind} ({tensor.layout}, {tensor.device}) at `{name:.100}`, which is not read"
        )
    n = math.prod(tensor.shape) * tensor.dtype.itemsize  # `numel` may overflow
    if n > tensor.untyped_storage().nbytes():
        raise ValueError(f"has the same numbers several times at `{name:.100}`")
    return n


def flaw(name: str, tensor: Tensor) -> str | None:
    """Return what no weight or statistic can be, with the name of the tensor; None if it can."""
    kind = _SIGNED.get(name.rpartition(".")[2])
    if not tensor.numel() or not (kind or tensor.is_floating_point()):
        return None
    low, high = (float(extreme) for extreme in tensor.detach().aminmax())
    if not (low >= -LARGEST and high <= LARGEST):
        return f"{low if abs(low) >= abs(high) else high:g} at `{name:.100}`"
    return f"a {kind} at `{name:.100}`: {low:g}" if kind and low < 0 else None
