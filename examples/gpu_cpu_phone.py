"""What a GPU, a CPU and a phone want of one supernet, on published measurements.

MobileNetV3 w1.2 on four devices: an RTX 2080Ti at batch 1 and at batch 64, an Intel i7-8700K and a
Samsung Note10. The CPU and the phone have published tables for this width. The GPU's latencies are
of whole subnets, from HELP (github.com/HayeonLee/HELP, MIT licence), which does not say whether it
measured w1.0 or w1.2. Its rows are read as w1.2, the only width that all devices can share: blocks,
kernels, expand ratios and pixels carry over, multiply-adds would be smaller in w1.0.

HELP publishes tensors, so the rows have to be given as a CSV with the columns `ks`, `e`, `d`, `r`,
`2080ti_1_ms` and `2080ti_64_ms`, one subnet a row (``--gpu``). The latency of a batch of 64 is
divided by 64. All latencies and accuracies of the fronts are predicted.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import optuna
import plotly.graph_objects as go
from numpy.typing import NDArray

import optuna_ofa
from optuna_ofa import SearchSpace, Subnet, get_family
from optuna_ofa.costs import layer_macs
from optuna_ofa.fleets import Fleet
from optuna_ofa.fronts import Front, FrontPoint
from optuna_ofa.predictors import NetworkLatencyPredictor
from optuna_ofa.space import Matrix, subnet_layers
from optuna_ofa.visualization import plot_architecture, plot_choices, plot_transfer

FAMILY = get_family("ofa_mbv3_w1.2")
GPUS = {"2080Ti, batch 1": ("2080ti_1_ms", 1), "2080Ti, batch 64": ("2080ti_64_ms", 64)}
# the name of a published file, and its path in a folder
TABLES = {
    "i7-8700K": ("i7-8700k", "i7-8700k_w1.0/i7-8700K_lut.yaml"),
    "Note10": ("note10", "note10_w1.2"),
}
ACCURACY = ("ofa_mbv3_w1.2_accuracy", "ofa_mbv3_w1.2_acc_predictor.pth")
LEVELS = (77.0, 79.0, 81.0, 83.0)  # top-1 in percent at which the fronts are compared
DRAWN_TOP1 = 81.0
N_EVALUATIONS = 20_000
HEAD = ("blocks", "expand", "k3 %", "k5 %", "k7 %", "pixels", "M macs")


def read_gpu(path: Path) -> tuple[Matrix, dict[str, NDArray[np.float64]]]:
    """Return the subnets of the space as genotypes, and milliseconds an image by device."""
    space = SearchSpace(FAMILY)
    with open(path, newline="", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if int(r["r"]) in space.choices["resolution"]]
    numbers = [{name: tuple(map(int, r[name].split())) for name in ("ks", "e", "d")} for r in rows]
    subnets = [
        Subnet(family=FAMILY, resolution=int(r["r"]), kernel=n["ks"], expand=n["e"], depth=n["d"])
        for r, n in zip(rows, numbers, strict=True)
    ]
    latencies = {
        name: np.array([float(r[column]) / batch for r in rows])
        for name, (column, batch) in GPUS.items()
    }
    return space.to_matrix(subnets), latencies


def fit_gpus(path: Path) -> dict[str, NetworkLatencyPredictor]:
    """Fit a predictor to four fifths of the rows, and print how it does on the last fifth."""
    space = SearchSpace(FAMILY)
    matrix, latencies = read_gpu(path)
    counts = np.array([describe(subnet) for subnet in space.from_matrix(matrix)])
    n = len(matrix) * 4 // 5
    print(f"{len(matrix)} rows of the GPU; rank correlation of its latency with")
    predictors = {}
    for name, ms in latencies.items():
        fitted = NetworkLatencyPredictor.fit(space, matrix[:n], ms[:n], metadata={"device": name})
        predicted = fitted.predict(matrix[n:])
        error = np.abs(predicted / ms[n:] - 1).mean() * 100
        print(
            f"  {name}: multiply-adds {rank_correlation(counts[:, 6], ms):.2f}, blocks "
            f"{rank_correlation(counts[:, 0], ms):.2f}; predictor ({fitted.name}) "
            f"{rank_correlation(predicted, ms[n:]):.2f} and {error:.1f} % on {len(matrix) - n} rows"
        )
        predictors[name] = fitted
    return predictors


def rank_correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return Spearman's correlation, with mean ranks for equal values."""
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, group, size = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(size) - size / 2)[group]


def describe(subnet: Subnet) -> tuple[float, ...]:
    """Return the numbers that `HEAD` names."""
    kernels = [k for k in subnet.kernel if k]
    shares = (100 * kernels.count(k) / len(kernels) for k in (3, 5, 7))
    macs = sum(map(layer_macs, subnet_layers(subnet))) / 1e6
    expand = float(np.mean([e for e in subnet.expand if e]))
    return len(kernels), expand, *shares, subnet.resolution, macs


def search(
    gpu: Path, data: Path | None = None, *, evaluations: int = N_EVALUATIONS, seed: int = 0
) -> Fleet:
    """Search the four devices."""
    tables = {d: data / path if data else name for d, (name, path) in TABLES.items()}
    fleet = optuna_ofa.fleet(
        FAMILY,
        hardware={**fit_gpus(gpu), **tables},
        accuracy=data / ACCURACY[1] if data else ACCURACY[0],
        seed=seed,
    )
    fleet.search(n_trials=evaluations)
    return fleet


def picks(fronts: Mapping[str, Front], top1: float) -> dict[str, FrontPoint]:
    """Return the fastest subnet of each device that has this accuracy."""
    return {device: front.best(top1=top1) for device, front in fronts.items()}


def show(fronts: Mapping[str, Front]) -> None:
    """Print what the devices choose at equal accuracy."""
    for top1 in LEVELS:
        print(f"\n{f'top-1 {top1:g} %':18}{'ms/image':>9}" + "".join(f"{h:>8}" for h in HEAD))
        for device, point in picks(fronts, top1).items():
            ms = point.values["latency_ms"]
            numbers = "".join(f"{x:8.3g}" for x in describe(point.subnet))
            print(f"{device:18}{ms:9.3g}{numbers}")


def draw(fronts: Mapping[str, Front], top1: float = DRAWN_TOP1) -> go.Figure:
    """Draw the architectures of equal accuracy below each other."""
    chosen = picks(fronts, top1)
    unit = {device: "ms an image" if "batch 64" in device else "ms" for device in chosen}
    return plot_architecture(
        {f"{d}: {p.values['latency_ms']:.3g} {unit[d]}": p.subnet for d, p in chosen.items()}
    )


def main() -> None:
    """Search, compare, draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--gpu", type=Path, required=True, help="CSV of the GPU's measurements")
    parser.add_argument("--data", type=Path, help="folder with the published files")
    parser.add_argument("--evaluations", type=int, default=N_EVALUATIONS, help="for each device")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("gpu_cpu_phone"), help="for figures")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    fleet = search(
        arguments.gpu, arguments.data, evaluations=arguments.evaluations, seed=arguments.seed
    )
    fronts = fleet.fronts(kind="predicted")
    show(fronts)
    limits = {d: p.values["latency_ms"] for d, p in picks(fronts, DRAWN_TOP1).items()}
    matrix = fleet.transfer_matrix(latency_ms=limits)
    print(f"\n{matrix}")

    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    draw(fronts).write_html(folder / "architectures.html")
    plot_transfer(matrix).write_html(folder / "transfer.html")
    for device, front in fronts.items():
        plot_choices(front).write_html(folder / f"{device}.choices.html")
    print(f"\nFigures are in {folder}.")


if __name__ == "__main__":
    main()
