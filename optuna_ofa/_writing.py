"""Files that are written whole or not at all, at paths that were checked before the work."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from optuna_ofa._arguments import LONGEST_NAME, can_be_written
from optuna_ofa._rules import shown
from optuna_ofa.exceptions import InvalidArgumentError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, which replaces it when the block ends.

    If the block fails, the temporary file is removed, and a file at ``path`` stays as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def discard_left_behind(path: Path) -> None:
    """Remove the temporary files of processes that were killed while they replaced ``path``."""
    for file in path.parent.glob(f".{glob.escape(path.name)}.*"):
        if file.suffix[1:].isdigit():
            file.unlink(missing_ok=True)


def write_whole(files: Mapping[Path, bytes], *, durable: bool = False) -> None:
    """Write files atomically: all of them, the last one last, or none.

    Args:
        files: The content of each file, in memory: a library that writes to a full disk itself
            may abort the process.
        durable: Whether files must survive a loss of power, once they have replaced others.

    Raises:
        OSError: If one cannot be written; all files are then left as they were.
    """
    with contextlib.ExitStack() as stack:
        for path, content in reversed(list(files.items())):
            temporary = stack.enter_context(replacing(path))
            temporary.write_bytes(content)
            if durable:
                with temporary.open("rb+") as file:
                    os.fsync(file.fileno())


def require_place(
    path: str | os.PathLike[str], argument: str = "path", *, folder: bool = False
) -> Path:
    """Return a path after checking that it can be written to; call it before the work begins.

    Args:
        path: The path.
        argument: Name of the caller's argument.
        folder: Whether a folder will be written instead of a file.

    Raises:
        InvalidArgumentError: If its name is missing or too long, its parent is not a writable
            folder, or the path is a folder where a file is expected, or the other way round.
    """
    place = Path(path)
    parent = place.parent
    if not can_be_written(place):
        rule = f"must end in a name of 1 to {LONGEST_NAME} bytes, but got {shown(place)}"
    elif not parent.is_dir():
        rule = f"must be in a folder that exists, but there is no folder {str(parent)!r}"
    elif place.exists() and place.is_dir() != folder:
        wanted, found = ("folder", "file") if folder else ("file", "folder")
        rule = f"must be a {wanted}, but {str(place)!r} is a {found}"
    elif not os.access(place if place.is_dir() else parent, os.W_OK):
        rule = f"must be in a folder that can be written to, but {str(parent)!r} cannot"
    else:
        return place
    raise InvalidArgumentError(f"`{argument}` {rule}.")
