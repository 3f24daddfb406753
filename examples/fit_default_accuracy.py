"""Fit the packaged accuracy predictors of MobileNetV3 w1.0 to published measurements.

    python examples/fit_default_accuracy.py SEARCHES RESOLUTIONS optuna_ofa/data

SEARCHES is the folder ``notebooks/data`` of IntelLabs/DyNAS-T at the commit below: CSV files of
three searches, evaluated on 50,000 images at 224 pixels. RESOLUTIONS is a CSV file of subnets at
128, 160 and 192 pixels, made from the repository below: ``ks``, ``e`` and ``d`` are numbers
separated by spaces, ``r`` the pixels, ``top1`` percent, and ``row`` the place in the published
file, whose four parts seem to be of different quarters of the images. Each part has its offset.

Writes a sparse Gaussian process, which a study uses, and a ridge regression, which is linear; both
without the rows. Prints scores on resolutions and searches that were left out.
"""

from __future__ import annotations

import argparse
import csv
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa import AccuracyPredictor, SearchSpace, Subnet
from optuna_ofa.exceptions import ExtrapolationWarning, GroupWarning
from optuna_ofa.predictors import kendall_tau
from optuna_ofa.space import read_measured_subnets, subnet_from_dialect

FAMILY = "ofa_mbv3_w1.0"
SOURCES = [
    {
        "repository": "https://github.com/IntelLabs/DyNAS-T",
        "commit": "251cb5e0083077522eb554691f480ba750e63246",
        "path": "notebooks/data",
        "license": "Apache-2.0",
        "resolutions": [224],
    },
    {
        "repository": "https://github.com/MaximeGirard/memory-optimized-once-for-all",
        "commit": "db7c2471f9ba6376d36a5583033da41a3d25ee34",
        "path": "acc_predictor_datasets/adapted",
        "license": "none stated",
        "resolutions": [128, 160, 192],
    },
]
BREAKS = (660, 1310, 1960)  # rows at which the next part begins
Kind = Literal["sparse_gaussian_process", "ridge"]
FILES: dict[Kind, str] = {
    "sparse_gaussian_process": f"{FAMILY}.accuracy.json",
    "ridge": f"{FAMILY}.linear.accuracy.json",
}
SHARE, N_SPLITS = 0.3, 3  # of the random splits
Z_90 = 1.645  # half width of a 90 % interval in standard deviations

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Measured(NamedTuple):
    """All rows: genotypes, percent, and who measured them."""

    matrix: NDArray[np.int16]
    top1: Vector
    group: NDArray[np.str_]

    def select(self, which: Mask) -> Measured:
        """Some of the rows."""
        return Measured(self.matrix[which], self.top1[which], self.group[which])


def read(searches: Path, resolutions: Path, space: SearchSpace) -> Measured:
    """Read the rows of all files."""
    subnets: list[Subnet] = []
    top1, group = [], []
    for file in sorted(searches.glob("*.csv")):
        table = read_measured_subnets(file, space.family)
        subnets += table.subnets
        top1 += table.top1.tolist()
        group += [file.stem] * len(table)
    with open(resolutions, newline="", encoding="utf-8") as text:
        for row in csv.DictReader(text):
            genes = {name: [int(v) for v in row[name].split()] for name in ("ks", "e", "d")}
            subnets.append(subnet_from_dialect({**genes, "r": int(row["r"])}, space.family))
            top1.append(float(row["top1"]))
            group.append(f"part {np.searchsorted(BREAKS, int(row['row']), side='right') + 1}")
    return Measured(space.to_matrix(subnets), np.array(top1), np.array(group))


def splits(rows: Measured) -> dict[str, Mask]:
    """Which rows are predicted from all others: of a resolution, of a search, random ones.

    A subnet that another search measured too is not predicted.
    """
    pixels = rows.matrix[:, 0]
    found = {f"{r} pixels": pixels == r for r in np.unique(pixels)}
    found |= {name: rows.group == name for name in np.unique(rows.group[pixels == 224])}
    for seed in range(N_SPLITS):
        random = np.random.default_rng(seed).random(len(pixels)) < SHARE
        found[f"random {seed}"] = random
    return found


def fit(
    space: SearchSpace, rows: Measured, kind: Kind, facts: Mapping[str, Any] | None = None
) -> AccuracyPredictor:
    """Fit without the offsets of the parts."""
    with warnings.catch_warnings():
        # that the searches' offset from the other parts cannot be told from that of 224 pixels
        warnings.simplefilter("ignore", GroupWarning)
        return AccuracyPredictor.fit(
            space, rows.matrix, rows.top1, model=kind, group=rows.group, metadata=facts
        )


def score(predictor: AccuracyPredictor, matrix: NDArray[np.int16], top1: Vector) -> dict[str, Any]:
    """Compare predictions with measurements."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        predicted, std = predictor.predict(matrix), predictor.predict_std(matrix)
    assert std is not None  # only published networks have none
    errors = predicted - top1
    return {
        "n": len(errors),
        "tau": kendall_tau(predicted, top1),
        "rmse": float(np.sqrt(np.mean(errors**2))),
        "bias": float(np.mean(errors)),
        "coverage_90": float(np.mean(np.abs(errors) < Z_90 * std)),
    }


def evaluate(space: SearchSpace, rows: Measured, kind: Kind) -> list[dict[str, Any]]:
    """Score what was left out, at 224 pixels and below, which is noisier."""
    offsets = fit(space, rows, kind).metadata["groups"]
    top1 = rows.top1 - [offsets[name]["offset"] for name in rows.group]
    found = []
    for name, left_out in splits(rows).items():
        predictor = fit(space, rows.select(~left_out), kind)
        known = {row.tobytes() for row in rows.matrix[~left_out]}
        new = left_out & [row.tobytes() not in known for row in rows.matrix]
        at_224 = rows.matrix[:, 0] == 224
        for part, where in ((new & at_224, "224 pixels"), (new & ~at_224, "below")):
            if part.any():
                words = name if name.endswith("pixels") else f"{name}, {where}"
                found.append({"left_out": words, **score(predictor, rows.matrix[part], top1[part])})
    return found


def main() -> None:
    """Print scores of what was left out, then fit to everything and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("searches", type=Path, help="folder with the CSV files of DyNAS-T")
    parser.add_argument("resolutions", type=Path, help="CSV file of 128, 160 and 192 pixels")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("."), help="where to")
    arguments = parser.parse_args()
    space = SearchSpace(FAMILY)
    rows = read(arguments.searches, arguments.resolutions, space)
    for kind, file in FILES.items():
        facts: dict[str, Any] = {
            "sources": SOURCES,
            "n_rows": len(rows.top1),
            "n_subnets": len(np.unique(rows.matrix, axis=0)),
            "measured_top1_range": [float(rows.top1.min()), float(rows.top1.max())],
            "held_out": {"splits": evaluate(space, rows, kind)},
        }
        for split in facts["held_out"]["splits"]:
            print(kind, split)
        fit(space, rows, kind, facts).save(arguments.folder / file)


if __name__ == "__main__":
    main()
