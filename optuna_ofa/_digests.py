"""Digests of files: SHA-256, and the one by which Git identifies a content."""

from __future__ import annotations

import hashlib
from pathlib import Path

from optuna_ofa._published_file import DigestKind

_CHUNK = 1 << 20  # bytes


def file_digest(path: Path, kind: DigestKind) -> str:
    """Return a digest of a file in hexadecimal digits, or the reason why it cannot be read.

    Args:
        path: The file.
        kind: ``"SHA-256"``; or ``"Git blob"``, SHA-1 of ``blob``, a space, the size in bytes, a
            null byte and the content, which is what ``git hash-object`` prints.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        return "A pipe or a device"
    try:
        return _git_blob(path) if kind == "Git blob" else _sha256(path)
    except OSError as error:  # a folder, a broken link, a file of another user
        return error.strerror or str(error)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git_blob(path: Path) -> str:
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
