"""Published tables of trained networks, where a search can only measure what is listed."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import moocore
import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Matrix = NDArray[np.int16]
Choices = Mapping[str, tuple[int | str, ...]]

MACRO = Path("nas-bench-macro") / "nas-bench-macro_cifar10.json"
ACCEL = Path("accel-nasbench") / "accel_nasbench.csv"
_STAGE = {"expand": (1, 4, 6), "kernel": (3, 5), "layers": (1, 2, 3), "squeeze": (0, 1)}
_LAYERS_OF_STAGE_5 = (1, 2, 3, 4)


class Listed(NamedTuple):
    """Networks with two published quantities each.

    Args:
        choices: The values of each parameter.
        matrix: ``(n, n_parameters)`` different networks: the index of the value of each parameter.
        values: ``(n, 2)`` what is published of them.
        names: Of the two quantities.
        directions: ``"maximize"`` or ``"minimize"`` for each.
    """

    choices: Choices
    matrix: Matrix
    values: Values
    names: tuple[str, str]
    directions: tuple[str, str]

    @property
    def signs(self) -> Values:
        """What turns each quantity into one that is minimised."""
        return np.array([-1.0 if d == "maximize" else 1.0 for d in self.directions])

    def costs(self, *, logarithms: bool) -> Values:
        """``(n, 2)`` minimised; the second one is a cost, or a rate, and taken as its logarithm."""
        values = self.values.copy()
        if logarithms:
            values[:, 1] = np.log(values[:, 1])
        return values * self.signs


class Volume:
    """The share of the hypervolume of a whole table that some of its rows dominate.

    Args:
        costs: ``(n, 2)`` of all networks, minimised. The reference point is the worst of each, and
            a tenth of the range beyond.

    Attributes:
        shares: The share after each row that was added, in percent.
    """

    def __init__(self, costs: Values) -> None:
        self.reference = costs.max(axis=0) + np.ptp(costs, axis=0) / 10
        self.whole = float(moocore.hypervolume(costs, ref=self.reference))
        self.shares: list[float] = []
        self._costs, self._front = costs, costs[:0]

    def add(self, place: int) -> None:
        """Take a row in."""
        point = self._costs[place]
        if (self._front <= point).all(axis=1).any():
            self.shares.append(self.shares[-1])
            return
        self._front = np.concatenate([self._front[(self._front < point).any(axis=1)], [point]])
        found = moocore.hypervolume(self._front, ref=self.reference)
        self.shares.append(100 * float(found) / self.whole)


def nas_bench_macro(data: Path) -> Listed:
    """Eight layers of CIFAR-10 networks: top1, the mean of three trainings, and FLOPs."""
    networks = json.loads((data / MACRO).read_text())
    names = [f"layer{i + 1}" for i in range(8)]
    return Listed(
        dict.fromkeys(names, ("identity", "MBConv k3 e3", "MBConv k5 e6")),
        np.array([[int(c) for c in name] for name in networks], dtype=np.int16),
        np.array([[n["mean_acc"], n["flops"] / 1e6] for n in networks.values()]),
        ("top1", "million FLOPs"),
        ("maximize", "minimize"),
    )


def accel_nasbench(column: str, name: str, direction: str) -> Callable[[Path], Listed]:
    """Seven stages of ImageNet networks: top1 after a short training, and what a device did.

    Networks that are listed twice have the mean; rows without a number are left out.
    """

    def read(data: Path) -> Listed:
        with (data / ACCEL).open() as file:
            rows = list(csv.DictReader(file))
        choices = {
            f"stage{i + 1}.{part}": _LAYERS_OF_STAGE_5 if (i, part) == (5, "layers") else values
            for i in range(7)
            for part, values in _STAGE.items()
        }
        listed = np.array([[int(word) for word in row["arch"].split()] for row in rows])
        places = [np.searchsorted(v, x) for v, x in zip(choices.values(), listed.T, strict=True)]
        values = np.array([[float(row["top1"]), float(row[column] or "nan")] for row in rows])
        known = np.isfinite(values).all(axis=1)
        matrix, of = np.unique(np.stack(places, axis=1)[known], axis=0, return_inverse=True)
        sums = np.zeros((len(matrix), 2))
        np.add.at(sums, of, values[known])
        means = sums / np.bincount(of)[:, None]
        return Listed(
            choices, matrix.astype(np.int16), means, ("top1", name), ("maximize", direction)
        )

    return read


PROBLEMS: Mapping[str, Callable[[Path], Listed]] = {
    "macro": nas_bench_macro,
    "a100": accel_nasbench("a100_images_per_s", "images/s on an A100", "maximize"),
    "zcu102": accel_nasbench("zcu102_ms", "ms on a ZCU102", "minimize"),
    "vck190": accel_nasbench("vck190_ms", "ms on a VCK190", "minimize"),
}
