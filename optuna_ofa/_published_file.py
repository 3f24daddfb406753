"""A published file that is offered by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import urlsplit

DigestKind = Literal["SHA-256", "Git blob"]


@dataclass(frozen=True)
class PublishedFile:
    """One published file.

    Args:
        name: Name for :func:`optuna_ofa.fetch`; the files of one table share it.
        url: URL, pinned to one commit where the host has commits.
        sha256: Digest of the whole file, 64 lower-case hexadecimal digits; empty where only
            ``git_blob`` is known.
        licence: SPDX identifier of the repository's licence, or ``"none stated"``.
        description: One line about the file.
        kind: What it is used for: ``"weights"`` are those of a supernet, ``"network"`` those of a
            single network.
        device: The device that a table was measured on, as its authors call it.
        supernets: For a table, the families whose layers it has; for weights, their family.
        resolutions: For a table, the input sizes in the file, or the smallest and the largest.
        git_blob: The digest by which Git identifies the content, 40 lower-case hexadecimal
            digits: SHA-1 of ``blob``, a space, the size in bytes, a null byte and the content.
    """

    name: str
    url: str
    sha256: str
    licence: str
    description: str
    kind: Literal["table", "accuracy", "images", "weights", "network"] = "table"
    device: str = ""
    supernets: tuple[str, ...] = ()
    resolutions: tuple[int, ...] = ()
    git_blob: str = ""

    @property
    def file_name(self) -> str:
        """The last part of the URL, which is the name of the file in the cache."""
        return PurePosixPath(urlsplit(self.url).path).name

    @property
    def digest_kind(self) -> DigestKind:
        """Which digest downloads are compared with."""
        return "SHA-256" if self.sha256 else "Git blob"

    @property
    def digest(self) -> str:
        """The digest of that kind."""
        return self.sha256 or self.git_blob

    def is_called(self, name: str) -> bool:
        """Return whether a name means this file; weights are also known by their file names."""
        return name == self.name or (self.kind in ("weights", "network") and name == self.file_name)
