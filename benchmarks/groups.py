"""Offsets of groups of measurements: the error of predictions with and without them.

    python benchmarks/groups.py --data ../shared/data

The rows are 1,740 subnets of MobileNetV3 w1.0 at 128, 160 and 192 pixels, which four workers seem
to have measured on different quarters of the images, one after the other. Fits to some rows and
predicts the others: without groups, with the groups, and with those that the run-order test finds.
The errors are against the measured values as they are, and without the offset of their group.
Then how near the estimates are to drawn offsets, of published searches, whose rows have none.
"""

from __future__ import annotations

import argparse
import csv
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _head import print_head, spent
from numpy.typing import NDArray

from optuna_ofa import AccuracyPredictor, SearchSpace
from optuna_ofa.predictors._run_order import run_breaks
from optuna_ofa.space import Subnet, read_measured_subnets

FAMILY = "ofa_mbv3_w1.0"
ROWS = Path("ofa_mbv3_w1.0_resolutions") / "top1_128_160_192.csv"
SEARCHES = "ofa_mbv3_w1.0_measured"
PUBLISHED_BREAKS = (660, 1310, 1960)  # rows of the published file
MODELS = ("gaussian_process", "ridge")
PLANTED = 0.2  # standard deviation of drawn offsets, in points

Vector = NDArray[np.float64]
Labels = NDArray[np.intp]


class Table(NamedTuple):
    """Measured subnets in their order, and the number of the group of each."""

    space: SearchSpace
    matrix: NDArray[np.int16]
    top1: Vector
    group: Labels


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the published files")
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--sizes", nargs="+", type=int, default=[200, 500, 1_000])
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print_head()
    table = read(arguments.data / ROWS)
    show_order(table)
    for n in arguments.sizes:
        for model in arguments.models:
            compare(table, model, n, arguments.repeats)
    show_recovery(arguments.data / SEARCHES, arguments.repeats)


def read(path: Path) -> Table:
    """The rows of the four workers."""
    space = SearchSpace(FAMILY)
    with path.open() as file:
        lines = list(csv.DictReader(file))
    subnets = [
        Subnet(
            family=space.family,
            resolution=int(line["r"]),
            depth=numbers(line["d"]),
            kernel=numbers(line["ks"]),
            expand=numbers(line["e"]),
        )
        for line in lines
    ]
    rows = np.array([int(line["row"]) for line in lines])
    group = np.searchsorted(PUBLISHED_BREAKS, rows, side="right")
    space = space.restrict(resolution=sorted({subnet.resolution for subnet in subnets}))
    top1 = np.array([float(line["top1"]) for line in lines])
    return Table(space, space.to_matrix(subnets), top1, group)


def numbers(text: str) -> tuple[int, ...]:
    """Whole numbers between spaces."""
    return tuple(map(int, text.split()))


def show_order(table: Table) -> None:
    """Where the run-order test finds breaks, in this order and in random ones."""
    with spent() as seconds:
        found = run_breaks(table.space, table.matrix, table.top1)
    true = np.flatnonzero(np.diff(table.group)) + 1
    print(f"{len(table.top1)} rows; breaks {true.tolist()}, found {found.tolist()}, {seconds}")
    orders = [np.random.default_rng(seed).permutation(len(table.top1)) for seed in range(100)]
    alarms = sum(len(run_breaks(table.space, table.matrix[o], table.top1[o])) > 0 for o in orders)
    print(f"random orders with breaks: {alarms} of {len(orders)}")


def compare(table: Table, model: str, n: int, repeats: int) -> None:
    """A line for each way to fit: root mean square errors in points, with their range."""
    breaks = run_breaks(table.space, table.matrix, table.top1)
    found = np.searchsorted(breaks, np.arange(len(table.top1)), side="right")
    for name, labels in {"no groups": None, "groups": table.group, "found": found}.items():
        errors = [errors_of(table, labels, model, n, seed) for seed in range(repeats)]
        raw, without = np.array(errors).T
        print(f"{model:17} n {n:5} {name:10} raw {spread(raw)}, offsets off {spread(without)}")


def errors_of(
    table: Table, labels: Labels | None, model: str, n: int, seed: int
) -> tuple[float, float]:
    """The error against the held-out rows, as measured and without the estimated offsets."""
    order = np.random.default_rng(seed).permutation(len(table.top1))
    train, test = order[:n], order[n:]
    predictor = AccuracyPredictor.fit(
        table.space,
        table.matrix[train],
        table.top1[train],
        model=model,
        group=None if labels is None else labels[train],
    )
    left = table.top1[test] - predictor.predict(table.matrix[test])
    without = left - (0 if labels is None else offsets_of(predictor, labels[test]))
    return rms(left), rms(without)


def offsets_of(predictor: AccuracyPredictor, labels: Labels) -> Vector:
    """The estimated offset of each row."""
    groups = predictor.metadata["groups"]
    return np.array([groups[str(label)]["offset"] for label in labels])


def show_recovery(folder: Path, repeats: int) -> None:
    """How near the estimates are to offsets that are drawn for each search, or thirds of one."""
    space = SearchSpace(FAMILY, resolution=224)
    tables = [read_measured_subnets(file, space.family) for file in sorted(folder.glob("*.csv"))]
    matrix = np.concatenate([space.to_matrix(table.subnets) for table in tables])
    top1 = np.concatenate([table.top1 for table in tables])
    search = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    third = np.concatenate([np.arange(len(table)) * 3 // len(table) for table in tables])
    splits = {"each search": search, "thirds of a search": third[search == 1]}
    for name, group in splits.items():
        rows = slice(None) if len(group) == len(top1) else search == 1
        scores = []
        for seed in range(repeats):
            offsets = np.random.default_rng(seed).normal(0, PLANTED, group.max() + 1)
            values = top1[rows] + offsets[group]
            predictor = AccuracyPredictor.fit(
                space, matrix[rows], values, model="ridge", group=group
            )
            found = predictor.metadata["groups"]
            true = offsets - offsets[group].mean()
            left = [found[str(i)]["offset"] - true[i] for i in range(len(true))]
            errors = [left[i] / found[str(i)]["standard_error"] for i in range(len(true))]
            scores.append((rms(np.array(left)), rms(np.array(errors))))
        points, ratio = np.array(scores).T
        print(f"drawn for {name}: off by {spread(points)} points, {spread(ratio)} standard errors")


def rms(values: Vector) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(values**2)))


def spread(values: Vector) -> str:
    """Mean, and the smallest and largest of several seeds."""
    return f"{values.mean():.3f} ({values.min():.3f} to {values.max():.3f})"


if __name__ == "__main__":
    main()
