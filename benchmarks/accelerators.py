"""Latency and throughput of networks that are no subnets, from few measured ones.

4,000 MnasNet-like networks of Accel-NASBench on two FPGAs (ms) and four accelerators (images/s):
models are fitted to some of the first 3,000 and tried on the others. `terms` has eight amounts that
follow from the published widths and strides; `choices` only has the choices.

    python benchmarks/accelerators.py --draws 10
"""

from __future__ import annotations

import argparse
import csv
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _head import print_head
from numpy.typing import NDArray

from optuna_ofa import Metric, NetworkLatencyPredictor, SearchSpace
from optuna_ofa.exceptions import ImplausibleValueWarning
from optuna_ofa.predictors import OwnTerms

Array = NDArray[np.float64]
SHARED = Path(__file__).parents[2] / "shared" / "data" / "accel-nasbench" / "accel_nasbench.csv"
BARS = {10: 0.90, 20: 0.93, 100: 0.97}
RATE = Metric("images_per_s", unit="images/s", direction="maximize")
N_FIRST = 3000
PARTS = ("expand", "kernel", "layers", "se")
# of the stages; found by the published numbers of parameters, which they give exactly
WIDTHS, STRIDES, STEM, STEM_PIXELS = (16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 2, 1, 2, 1), 32, 112
NAMES = (
    *("layers", "squeeze-excites", "multiply-adds", "depthwise multiply-adds"),
    *("multiply-adds of kernel 5", "activations", "weights", "activations of squeeze-excite"),
)
Z90 = 1.645


class Device(NamedTuple):
    """What one device did, NaN where it is missing; deviations of rates."""

    name: str
    values: Array
    std: Array | None


def read(path: Path) -> tuple[NDArray[np.int64], list[Device]]:
    """Return ``(n, 7, 4)`` architectures, and the devices."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    architectures = np.array([[int(word) for word in row["arch"].split()] for row in rows])

    def column(name: str) -> Array:
        return np.array([float(row[name] or "nan") for row in rows])

    devices = [Device(name, column(name), None) for name in ("zcu102_ms", "vck190_ms")]
    for name in ("a100", "3090", "tpuv2", "tpuv3"):
        rate, std = f"{name}_images_per_s", f"{name}_std"
        devices.append(Device(rate, column(rate), column(std)))
    return architectures.reshape(-1, 7, 4), devices


def amounts(architecture: NDArray[np.int64]) -> Array:
    """Return the terms of one network, in the order of `NAMES`."""
    found, n_in, pixels = np.zeros(len(NAMES)), STEM, STEM_PIXELS
    for stage, width, stride in zip(architecture.tolist(), WIDTHS, STRIDES, strict=True):
        expand, kernel, n_layers, se = stage
        for i in range(n_layers):
            n_mid, smaller = n_in * expand, pixels // (stride if i == 0 else 1)
            before, after = n_in * (expand > 1) * pixels**2, width * smaller**2
            depthwise, middle = kernel**2 * n_mid * smaller**2, n_mid * smaller**2
            found += [
                1,
                se,
                (before + after) * n_mid / 1e8,
                depthwise / 1e8,
                (kernel == 5) * depthwise / 1e8,
                (before + (1 + (expand > 1)) * n_mid * pixels**2 + 2 * middle + after) / 1e6,
                n_mid * (n_in * (expand > 1) + kernel**2 + width + se * n_in // 2) / 1e6,
                se * middle / 1e6,
            ]
            n_in, pixels = width, smaller
    return found


def spearman(one: Array, other: Array) -> float:
    """Return the rank correlation."""
    return float(np.corrcoef(*(np.argsort(np.argsort(x)) for x in (one, other)))[0, 1])


class Table:
    """The networks as a space of choices."""

    def __init__(self, architectures: NDArray[np.int64]) -> None:
        columns = architectures.reshape(len(architectures), -1)
        self.values = [np.unique(column) for column in columns.T]
        names = [f"stage{i // 4 + 1}.{PARTS[i % 4]}" for i in range(columns.shape[1])]
        choices = {n: v.tolist() for n, v in zip(names, self.values, strict=True)}
        self.space = SearchSpace.of_choices(choices, name="accel-nasbench")
        places = [np.searchsorted(v, x) for v, x in zip(self.values, columns.T, strict=True)]
        self.matrix = np.stack(places, axis=1).astype(np.int16)
        self.own = OwnTerms(self._count, names=NAMES)

    def _count(self, matrix: NDArray[np.int16]) -> Array:
        columns = [v[x] for v, x in zip(self.values, matrix.T, strict=True)]
        networks = np.stack(columns, axis=1).reshape(-1, 7, 4)
        return np.stack([amounts(network) for network in networks])

    def score(self, device: Device, n: int, seed: int, *, own: bool) -> Array:
        """Return Spearman, MAPE and the share in 90 % intervals of one draw."""
        known = np.flatnonzero(np.isfinite(device.values))
        first, others = known[known < N_FIRST], known[known >= N_FIRST]
        rows = np.random.default_rng(seed).permutation(first)[:n]
        predictor = NetworkLatencyPredictor.fit(
            self.space,
            self.matrix[rows],
            device.values[rows],
            features=self.own if own else None,
            metric=None if device.std is None else RATE,
            std=None if device.std is None else device.std[rows],
        )
        found, std = (
            predictor.predict(self.matrix[others]),
            predictor.predict_std(self.matrix[others]),
        )
        wrong = found - device.values[others]
        mape = np.abs(wrong / device.values[others]).mean() * 100
        covered = (np.abs(wrong) < Z90 * std).mean() * 100
        return np.array([spearman(found, device.values[others]), mape, covered])


def main() -> None:
    """Fit, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--draws", type=int, default=10, help="seeds 0 to this")
    arguments = parser.parse_args()
    print_head()
    warnings.simplefilter("ignore", ImplausibleValueWarning)  # few rows often agree in a column
    architectures, devices = read(arguments.data)
    table = Table(architectures)
    for own in (True, False):
        print("terms" if own else "choices", "Spearman ± over draws, MAPE, coverage of 90 %", *BARS)
        means = []
        for device in devices:
            cells = []
            for n in BARS:
                draws = [table.score(device, n, s, own=own) for s in range(arguments.draws)]
                cells.append((*np.mean(draws, axis=0), np.std(draws, axis=0)[0]))
            means.append(cells)
            texts = [f"{r:.3f} ±{sd:.3f} {m:.1f} % {c:.0f} %" for r, m, c, sd in cells]
            print(f"{device.name:20}", " | ".join(texts), flush=True)
        for n, (rank, mape, covered, _) in zip(BARS, np.mean(means, axis=0), strict=True):
            bar = BARS[n]
            print(f"  n = {n}: {rank:.3f} (bar {bar}: {'met' if rank >= bar else 'MISSED'}), "
                  f"{mape:.1f} %, {covered:.0f} %")  # fmt: skip


if __name__ == "__main__":
    main()
