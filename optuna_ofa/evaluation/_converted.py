"""Files of LiteRT, which serve several meters once they are made."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from optuna_ofa._writing import write_whole
from optuna_ofa.evaluation._computation import Computation
from optuna_ofa.space import Subnet

MOST_BYTES = 256_000_000  # of a folder: some hundred networks, all that one call has in work


class Converted(NamedTuple):
    """The converted networks of one supernet and set of calibration images.

    Args:
        folder: Their folder; where it does not exist, as on other machines, they are made again.
        source: What identifies the weights and the calibration images.
    """

    folder: str
    source: str

    def content(self, subnet: Subnet, computation: Computation, make: Callable[[], bytes]) -> bytes:
        """Return the file of a subnet, which is made if it is not there."""
        key = f"{self.source} {computation.precision} {subnet.family.fingerprint} {subnet}"
        path = Path(self.folder) / f"{hashlib.sha256(key.encode()).hexdigest()}.tflite"
        with contextlib.suppress(OSError):  # another process may remove it
            return path.read_bytes()
        content = make()
        with contextlib.suppress(OSError):  # on another machine, or the disk is full
            write_whole({path: content})
            _remove_oldest(path.parent)
        return content


def _remove_oldest(folder: Path) -> None:
    """Remove the files that were made first, so that the others have at most `MOST_BYTES`."""
    left = MOST_BYTES
    files = [(path.stat(), path) for path in folder.glob("*.tflite")]
    for status, path in sorted(files, key=lambda file: file[0].st_mtime_ns, reverse=True):
        left -= status.st_size
        if left < 0:
            path.unlink(missing_ok=True)


class ConvertedFolder:
    """A temporary folder of converted networks, which goes with this object."""

    def __init__(self) -> None:
        self._folder: Path | None = None

    def of(self, source: str) -> Converted:
        """Return the converted networks of a supernet and of calibration images."""
        if self._folder is None or not self._folder.is_dir():
            self._folder = Path(tempfile.mkdtemp(prefix="optuna-ofa-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return Converted(str(self._folder), source)

    def __reduce__(self) -> tuple[type[ConvertedFolder], tuple[()]]:
        return ConvertedFolder, ()  # a copy has files of its own
