"""The problem of the search benchmarks, and the best fronts that are known of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import moocore
import numpy as np
from _peer import ACCURACY, RESOLUTIONS, TABLE
from numpy.typing import NDArray

import optuna_ofa
from optuna_ofa.fronts import nondominated
from optuna_ofa.space import SearchSpace

FAMILY = "ofa_mbv3_w1.2"
FOLDER = Path(__file__).resolve().parent / "reference_fronts"
_MINIMIZED = np.array([-1.0, 1.0])  # top1 goes up, latency_ms down

Values = NDArray[np.float64]
Matrix = NDArray[np.int16]


class Device(NamedTuple):
    """A latency table and the reference points of its hypervolumes.

    Args:
        table: Path in the data folder.
        files: Files of the table that are read.
        references: ``(top1 in percent, latency in ms)``, the wide one and a tighter one.
    """

    table: str
    files: tuple[str, ...]
    references: tuple[tuple[float, float], tuple[float, float]]


_NOTE10 = tuple(f"{TABLE}/{r}_lookup_table.yaml" for r in RESOLUTIONS)
_I7 = "i7-8700k_w1.0/i7-8700K_lut.yaml"
DEVICES = {
    "note10": Device(TABLE, _NOTE10, ((75.0, 95.0), (76.0, 45.0))),
    "i7-8700k": Device(_I7, (_I7,), ((75.0, 47.5), (76.0, 22.5))),
}


def study(data: Path, device: str, **options: object) -> optuna_ofa.SubnetStudy:
    """A study of top1 and latency_ms on a device, without constraints."""
    defaults = {"hardware": data / DEVICES[device].table, "accuracy": data / ACCURACY}
    return optuna_ofa.study(FAMILY, **defaults | options)  # type: ignore[arg-type]


def hypervolume(values: Values, reference: tuple[float, float]) -> float:
    """What ``(n, 2)`` points of top1 and latency_ms dominate, in points times milliseconds."""
    return float(moocore.hypervolume(values, ref=reference, maximise=[True, False]))


class ReferenceFront:
    """The non-dominated set of everything that any run has seen, in a JSON file.

    The file holds genotypes with their predictions, which are made anew when it is read.

    Args:
        data: Folder of the published files.
        device: Name of the device.

    Raises:
        ValueError: If the published files or the predictions are not those of the file.
    """

    def __init__(self, data: Path, device: str) -> None:
        self.path = FOLDER / f"{device}.json"
        self.device = DEVICES[device]
        self._files = {f: _sha256(data / f) for f in (ACCURACY, *self.device.files)}
        self._problem = study(data, device).problem
        self.matrix: Matrix = np.empty((0, len(self._problem.space.genes)), dtype=np.int16)
        self.values: Values = np.empty((0, 2))
        self._made_by = "benchmarks/fronts.py --improve"
        if self.path.exists():
            self._load(json.loads(self.path.read_text()))

    @property
    def hypervolumes(self) -> list[float]:
        """One for each reference point of the device."""
        return [hypervolume(self.values, r) for r in self.device.references]

    def _load(self, stored: dict[str, object]) -> None:
        points = np.array(stored["points"])
        self.matrix = self._problem.space.check(points[:, 2:].astype(np.int16))
        self.values = self._problem.evaluate(self.matrix).values
        self._made_by = str(stored["made_by"])
        if stored["files"] != self._files:
            raise ValueError(f"{self.path} was made with other files than those in `data`.")
        # another processor gives other last bits
        if not np.allclose(points[:, :2], self.values, rtol=0, atol=1e-4):
            raise ValueError(f"{self.path} has other values than the predictors give.")

    def merge(self, matrix: Matrix, values: Values) -> None:
        """Take in evaluated subnets, most of which are dominated."""
        kept = nondominated(values * _MINIMIZED)
        matrix = np.concatenate([self.matrix, matrix[kept]])
        values = np.concatenate([self.values, values[kept]])
        values, first = np.unique(values, axis=0, return_index=True)
        kept = nondominated(values * _MINIMIZED)
        order = np.argsort(values[kept, 1])
        self.matrix, self.values = matrix[first[kept]][order], values[kept][order]

    def save(self, made_by: str | None = None) -> None:
        """Write the file, one point a line: top1, latency_ms, genes."""
        space: SearchSpace = self._problem.space
        head = {
            "family": FAMILY,
            "objectives": ["top1", "latency_ms"],
            "made_by": made_by or self._made_by,
            "files": self._files,
            "hypervolumes": [
                {"top1": t, "latency_ms": ms, "hypervolume": hypervolume(self.values, (t, ms))}
                for t, ms in self.device.references
            ],
            "columns": ["top1", "latency_ms", *(gene.name for gene in space.genes)],
        }
        rows = zip(self.values.tolist(), self.matrix.tolist(), strict=True)
        points = ",\n".join(json.dumps([*values, *row]) for values, row in rows)
        text = json.dumps(head, indent=1)[:-2] + f',\n "points": [\n{points}\n]}}\n'
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(text)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
