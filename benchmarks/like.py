"""How much known devices help to learn a new one from few measured networks.

Fits `NetworkLatencyPredictor` to n random subnets with and without `like=`, in ten draws, and
compares both on 1,000 others. The GPUs' latencies are measured ones of HELP's file; tables are the
truth of CPUs and phones, with noise of 2.5 % on what is fitted to. A source that is a GPU is fitted
to 400 other measurements. No device is among its own candidates.

    python benchmarks/like.py ../shared/data
"""

from __future__ import annotations

import argparse
import csv
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _head import print_head

from optuna_ofa import LatencyPredictor, LatencyTable, NetworkLatencyPredictor, SearchSpace
from optuna_ofa.data import packaged_table
from optuna_ofa.predictors import Predictor

SIZES = (5, 10, 20)
N_TEST = 1_000
NOISE = 0.025
Z90 = 1.6449
CPUS = ("cpu-torch", "cpu-onnxruntime", "cpu-openvino", "cpu-executorch")
CARDS = ("2080ti", "titan_xp")


class Case(NamedTuple):
    """A new device: its subnets, what is fitted to and what is true, and known devices."""

    name: str
    space: SearchSpace
    matrix: np.ndarray
    measured: np.ndarray
    truth: np.ndarray
    like: list[Any]


def gpu_cases(path: Path) -> list[Case]:
    """The cards from each other, from their other batch sizes, and from the CPUs."""
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    space = SearchSpace("ofa_mbv3_w1.0", resolution=sorted({int(row["r"]) for row in rows}))
    genes = {"kernel": "ks", "expand": "e", "depth": "d"}
    matrix = space.to_matrix(
        [
            space.subnet(
                resolution=int(row["r"]),
                **{gene: [int(x) for x in row[key].split()] for gene, key in genes.items()},
            )
            for row in rows
        ]
    )
    latency = {
        (card, batch): np.array([float(row[f"{card}_{batch}_ms"]) for row in rows])
        for card in CARDS
        for batch in (1, 32, 64)
    }

    def fitted(*which: Any) -> Predictor:
        some = slice(0, 4_000, 10)
        return NetworkLatencyPredictor.fit(
            space, matrix[some], latency[which][some], features="terms", like=[]
        )

    def case(card: str, batch: int, source: str, like: list[Any]) -> Case:
        y = latency[card, batch]
        return Case(f"{card} batch {batch} from {source}", space, matrix, y, y, like)

    cases, cpus = [], packaged(space, CPUS)
    for card, other in (CARDS, CARDS[::-1]):
        for batch in (1, 32, 64):
            cases.append(case(card, batch, other, [fitted(other, batch)]))
            cases.append(case(card, batch, "CPUs", cpus))
        cases.append(case(card, 1, "its batch 32", [fitted(card, 32)]))
    return cases


def table_cases(folder: Path) -> list[Case]:
    """Each CPU runtime from the others, and the desktop processor from the phone."""
    space = SearchSpace("ofa_mbv3_w1.0")
    cases = []
    for name in CPUS:
        others = packaged(space, [other for other in CPUS if other != name])
        cases.append(table_case(f"{name} from the others", *packaged(space, [name]), others))
    (truth,) = packaged(space, ["cpu-openvino"])
    cases.append(table_case("cpu-openvino from ONNX", truth, packaged(space, ["cpu-onnxruntime"])))
    wide = SearchSpace("ofa_mbv3_w1.2", resolution=[160, 176, 192, 208, 224])
    i7, phone = (
        LatencyPredictor(table=LatencyTable.load(folder / path), space=wide)
        for path in ("i7-8700k_w1.0/i7-8700K_lut.yaml", "note10_w1.2")
    )
    cases.append(table_case("i7-8700K from Note10", i7, [phone]))
    cases.append(table_case("i7-8700K from CPUs", i7, packaged(wide, CPUS)))
    return cases


def packaged(space: SearchSpace, names: Iterable[str]) -> list[LatencyPredictor]:
    """The latencies of packaged tables."""
    tables = [LatencyTable.load(packaged_table(name, space.family)) for name in names]
    return [LatencyPredictor(table=table, space=space) for table in tables]


def table_case(name: str, truth: LatencyPredictor, like: list[Any]) -> Case:
    """A table as the truth; what is fitted to has noise, what is compared has none."""
    space = truth.space
    matrix = space.sample(3_000, seed=11)
    latency = truth.predict(matrix)
    noise = np.random.default_rng(12).standard_normal(len(matrix))
    return Case(name, space, matrix, latency * (1 + NOISE * noise), latency, like)


def figures(case: Case, rows: np.ndarray, like: list[Any]) -> tuple[float, float, float, bool]:
    """Spearman, MAPE, share within the 90 % interval, and whether a known device was used."""
    test = slice(-N_TEST, None)
    fitted = NetworkLatencyPredictor.fit(
        case.space, case.matrix[rows], case.measured[rows], features="terms", like=like
    )
    predicted, std = fitted.predict(case.matrix[test]), fitted.predict_std(case.matrix[test])
    truth, seen = case.truth[test], case.measured[test]
    ranks = [np.argsort(np.argsort(values)) for values in (predicted, truth)]
    return (
        float(np.corrcoef(ranks)[0, 1]),
        float(np.abs(predicted / truth - 1).mean() * 100),
        float((np.abs(predicted - seen) <= Z90 * std).mean() * 100),
        fitted.known is not None,
    )


def main() -> None:
    """Print a line for each device and number of networks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder with gpu/, note10_w1.2/ and others")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="that of the first draw")
    arguments = parser.parse_args()
    print_head()
    seeds = range(arguments.seed, arguments.seed + arguments.draws)
    print(f"seeds {seeds[0]} to {seeds[-1]}; MAPE in percent; worst is the largest loss of a draw")
    heads = "Spearman without, with; MAPE without, with; covered without, with; used; worst"
    print(f"{'':32} {'n':>3}  {heads}")
    warnings.simplefilter("ignore")
    for case in gpu_cases(arguments.data / "gpu" / "ofa_gpu_latency.csv") + table_cases(
        arguments.data
    ):
        for n in SIZES:
            draws = [
                np.random.default_rng(seed).choice(len(case.matrix) - N_TEST, n, replace=False)
                for seed in seeds
            ]
            without = np.array([figures(case, rows, []) for rows in draws], dtype=float)
            found = np.array([figures(case, rows, case.like) for rows in draws], dtype=float)
            mean, mean_like = without.mean(axis=0), found.mean(axis=0)
            worst = (found[:, 1] - without[:, 1]).max()
            print(
                f"{case.name:32} {n:3}  {mean[0]:.3f} {mean_like[0]:.3f}  {mean[1]:5.1f} "
                f"{mean_like[1]:5.1f}  {mean[2]:3.0f} {mean_like[2]:3.0f}  "
                f"{int(found[:, 3].sum()):2}/{len(draws)}  {worst:+.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
