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
        if path.is_file():
            return path.read_bytes()
        content = make()
        with contextlib.suppress(OSError):  # on another machine, or the disk is full
            write_whole({path: content})
        return content


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
