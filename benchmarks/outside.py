"""How sure accuracy predictors are outside of what they were fitted on.

    python benchmarks/outside.py --data ../shared/data

Leaves a group of measured subnets out, fits to rows of the others and predicts the group: each
resolution, each search, and the fifths with the lowest and highest accuracy and multiply-adds, of
MobileNetV3 w1.0 on ImageNet and of the packaged supernet on Fashion-MNIST; then random rows, which
are inside; then the best known front of w1.2 by its published predictor, from random subnets.
Prints, for 90 % intervals, how many measurements are inside them with and without the widening,
their mean widths in points, the bias, and how many subnets are said to be extrapolated.
"""

from __future__ import annotations

import argparse
import csv
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _accuracy_drawn import DRAWS, Drawn
from _head import print_head
from numpy.typing import NDArray

from optuna_ofa import AccuracyPredictor, SearchSpace, Subnet
from optuna_ofa.data import packaged_accuracies
from optuna_ofa.predictors import CostPredictor, averaged
from optuna_ofa.predictors._rows import MeasuredRows
from optuna_ofa.space import keys_of, read_measured_subnets

FAMILY = "ofa_mbv3_w1.0"
RESOLUTIONS = "ofa_mbv3_w1.0_resolutions/top1_128_160_192.csv"
SEARCHES = "ofa_mbv3_w1.0_measured"
# offsets of the four workers that measured the rows, and the rows at which they change
OFFSETS, BREAKS = np.array([-0.12, -0.28, 0.35, 0.05]), (660, 1310, 1960)
SHARE = 0.2
Z_90 = 1.645  # half width of a 90 % interval in standard deviations
N_DRAWN = 2_000


class Split(NamedTuple):
    """Rows to fit to, and the group that is left out."""

    name: str
    space: SearchSpace
    fit: MeasuredRows
    out: MeasuredRows


def main() -> None:
    """Print a line for each split."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the published files")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sizes", nargs="+", type=int, default=[50, 200, 1_000])
    parser.add_argument("--models", nargs="+", default=["ridge", "gaussian_process"])
    parser.add_argument("--only", default="", help="part of the names of the splits")
    parser.add_argument("--with-offsets", action="store_true", help="keep those of the workers")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print_head()
    print(f"{arguments.seeds} seeds; covered (worst seed; without widening), width (without), bias")
    columns = [(m, n) for m in arguments.models for n in arguments.sizes]
    print(f"{'':28}" + "".join(f"{f'{m[:8]} {n}':>38}" for m, n in columns) + "  extrapolated")
    for split in splits(arguments.data, arguments.with_offsets):
        if arguments.only in split.name:
            scores = [score(split, m, n, arguments.seeds) for m, n in columns]
            flagged = np.mean([s[-1] for s in scores])
            print(
                f"{split.name:28}" + "".join(map(words, scores)) + f"{flagged:8.0f} %", flush=True
            )


def score(split: Split, model: str, n: int, n_seeds: int) -> list[float]:
    """Coverage, its minimum and without widening, both widths, bias, and share of flags."""
    found = []
    for seed in range(n_seeds if n < len(split.fit.top1) else 1):
        some = np.random.default_rng(seed).permutation(len(split.fit.top1))[:n]
        matrix, top1 = split.fit.matrix[some], split.fit.top1[some]
        fitted = AccuracyPredictor.fit(split.space, matrix, top1, model=model, seed=seed)  # type: ignore[arg-type]
        predicted = fitted.predict(split.out.matrix)
        std, own = fitted.predict_std(split.out.matrix), fitted.model.predict_std(split.out.matrix)
        errors = split.out.top1 - predicted
        covered = [100 * np.mean(np.abs(errors) < Z_90 * s) for s in (std, own)]
        widths = [2 * Z_90 * float(np.mean(s)) for s in (std, own)]
        flags = 100 * fitted.extrapolates(split.out.matrix).mean()
        found.append([covered[0], covered[0], covered[1], *widths, errors.mean(), flags])
    means = np.mean(found, axis=0)
    means[1] = np.min(found, axis=0)[1]
    return list(means)


def words(score: list[float]) -> str:
    """One cell."""
    covered, worst, before, width, narrow, bias, _ = score
    return f"{covered:8.0f} ({worst:3.0f};{before:4.0f}) {width:6.2f} ({narrow:4.2f}) {bias:+5.2f}"


def splits(data: Path, with_offsets: bool) -> Iterator[Split]:
    """All splits."""
    space = SearchSpace(FAMILY, resolution=[128, 160, 192, 224])
    searches = read_searches(data / SEARCHES, space)
    parts = [read_resolutions(data / RESOLUTIONS, space, with_offsets), *searches.values()]
    rows = joined(parts)
    yield from of_rows("ImageNet", space, rows)
    at_224 = space.restrict(resolution=224)
    yield from of_rows("224 pixels", at_224, rows.select(rows.matrix[:, 0] == 224))
    for name, out in searches.items():
        fit = joined([other for key, other in searches.items() if key != name])
        new = ~np.isin(keys_of(out.matrix), keys_of(fit.matrix))
        yield Split(f"search {name.split('_')[1]}", at_224, fit, out.select(new))
    fashion = SearchSpace("ofa_mbv3_fashion")
    matrix, top1 = packaged_accuracies()
    yield from of_rows("Fashion", fashion, averaged(fashion.canonicalize(matrix), top1))
    yield from of_published(data)


def of_rows(name: str, space: SearchSpace, rows: MeasuredRows) -> Iterator[Split]:
    """Leave out each resolution, each fifth, and a random quarter."""
    pixels = rows.matrix[:, 0]
    fitted = np.unique(pixels) if np.ptp(pixels) else []
    for resolution in fitted:
        out = pixels == resolution
        yield Split(f"{name}, {resolution} px", space, rows.select(~out), rows.select(out))
    macs = CostPredictor("n_macs", space).predict(rows.matrix)
    for what, values in (("accuracy", rows.top1), ("MACs", macs)):
        low, high = np.quantile(values, [SHARE, 1 - SHARE])
        for which, out in (("lowest", values < low), ("highest", values > high)):
            yield Split(f"{name}, {which} {what}", space, rows.select(~out), rows.select(out))
    order = np.random.default_rng(99).permutation(len(pixels))
    inside = order[: len(order) // 4]
    yield Split(f"{name}, inside", space, rows.select(order[len(inside) :]), rows.select(inside))


def of_published(data: Path) -> Iterator[Split]:
    """From random subnets to the best known front, where the published predictor is the truth."""
    drawn = Drawn(data)
    for name in ("uniform over genes", "uniform over sizes"):
        rows = drawn.train(DRAWS[name], N_DRAWN, np.random.default_rng(0))
        yield Split(f"w1.2 front, {name[13:]}", drawn.space, rows, drawn.tests["best front"])
    rows = drawn.train(DRAWS["uniform over genes"], N_DRAWN, np.random.default_rng(0))
    yield Split("w1.2, inside", drawn.space, rows, drawn.tests["random genes"])


def read_resolutions(path: Path, space: SearchSpace, with_offsets: bool) -> MeasuredRows:
    """Measured subnets at 128, 160 and 192 pixels, with or without their workers' offsets."""
    with open(path, newline="") as file:
        found = list(csv.DictReader(file))
    genes = [
        {key: tuple(map(int, row[key].split())) for key in ("ks", "e", "d")} | {"r": int(row["r"])}
        for row in found
    ]
    subnets = [
        Subnet(space.family, resolution=g["r"], depth=g["d"], kernel=g["ks"], expand=g["e"])
        for g in genes
    ]
    top1 = np.array([float(row["top1"]) for row in found])
    worker = np.searchsorted(BREAKS, [int(row["row"]) for row in found], side="right")
    return averaged(space.to_matrix(subnets), top1 - (0 if with_offsets else OFFSETS[worker]))


def read_searches(folder: Path, space: SearchSpace) -> dict[str, MeasuredRows]:
    """Measured subnets at 224 pixels, by name of the file."""
    tables = {p.stem: read_measured_subnets(p, space.family) for p in sorted(folder.glob("*.csv"))}
    return {
        name: averaged(space.to_matrix(table.subnets), np.asarray(table.top1))
        for name, table in tables.items()
    }


def joined(parts: list[MeasuredRows]) -> MeasuredRows:
    """The rows of all parts, each subnet once."""
    top1: NDArray[np.float64] = np.concatenate([part.top1 for part in parts])
    return averaged(np.concatenate([part.matrix for part in parts]), top1)


if __name__ == "__main__":
    main()
