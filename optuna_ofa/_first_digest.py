"""The SHA-256 of a file on its first use, kept beside it.

It is for files of which only Git's digest is published. That is a SHA-1, for which two contents
with the same digest can be made on purpose; a later change to another one does not go unnoticed.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from optuna_ofa._digests import file_digest
from optuna_ofa._files import read_text
from optuna_ofa._writing import write_whole
from optuna_ofa.exceptions import DownloadError, FormatError

_MAX_MB = 0.001


def note_of(path: Path) -> Path:
    """Return the path of the note about a file, in the format of ``sha256sum``."""
    return path.with_name(f"{path.name}.sha256")


def require_first_content(path: Path) -> None:
    """Refuse a file whose content is not the one that was first used; note it on the first use.

    Where the folder cannot be written to, nothing is noted.

    Raises:
        DownloadError: If the note has another SHA-256, or cannot be read.
    """
    note, found = note_of(path), file_digest(path, "SHA-256")
    if not os.path.lexists(note):
        with contextlib.suppress(OSError):
            write_whole({note: f"{found}  {path.name}\n".encode()})
        return
    try:
        known = read_text(note, "note", max_mb=_MAX_MB).partition(" ")[0].strip()
    except FormatError as error:
        raise DownloadError(f"{note} must be a note of the SHA-256 of {path}: {error}") from error
    if known != found:
        raise DownloadError(
            f"{path} must have the SHA-256 of its first use, which {note} gives as {known:.64}, "
            f"but has {found}. Both are left as they are: move them away and call again to start "
            f"anew, or pass the path of your file instead of a name."
        )
