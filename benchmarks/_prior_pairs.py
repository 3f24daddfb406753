"""Accuracies of some weights, and a predictor of others to start from."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa import AccuracyPredictor, SearchSpace
from optuna_ofa.predictors import Predictor
from optuna_ofa.predictors._rows import MeasuredRows, averaged, measured_rows
from optuna_ofa.space import Matrix, read_measured_subnets

PUBLISHED = "ofa_mbv3_w1.2_acc_predictor.pth"
MEASURED = "ofa_mbv3_w1.0_measured"
RESOLUTIONS = Path("ofa_mbv3_w1.0_resolutions", "top1_128_160_192.csv")
# the workers' first rows and offsets, as the data's README estimates them
WORKERS = ((0, -0.12), (660, -0.28), (1310, 0.35), (1960, 0.05))
N_TRUTH = 1_200
NOISE = 0.1  # points
SIZES = (160, 176, 192, 208, 224)


class Pair(NamedTuple):
    """Some rows, and what is known beforehand.

    Args:
        name: The prior, and what is measured.
        space: The space of the rows.
        rows: Measured subnets.
        prior: A predictor of other weights, or at other resolutions.
    """

    name: str
    space: SearchSpace
    rows: MeasuredRows
    prior: Predictor


class Constant(Predictor):
    """A useless prior: noise that depends on the subnet alone."""

    metric = "top1"

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self._slopes = np.random.default_rng(5).normal(0, 0.01, len(space.genes))

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return numbers around 75, ``(n,)``."""
        return 75 + np.sin(97 * (matrix * self._slopes).sum(axis=1))


class Reversed(Predictor):
    """A prior that is wrong about everything.

    Args:
        predictor: One that is right.
    """

    metric = "top1"

    def __init__(self, predictor: Predictor) -> None:
        self.space, self._predictor = predictor.space, predictor

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return what is right mirrored at 75 %, ``(n,)``."""
        return 150 - self._predictor.predict(matrix)


def pairs(data: Path) -> dict[str, Callable[[], Pair]]:
    """Return all pairs that the data allow, by name.

    Args:
        data: Folder of the published files.
    """
    published = AccuracyPredictor.load(data / PUBLISHED)
    found = [
        lambda: _pair("published w1.2 > w1.0 at 224", *measured(data), published),
        lambda: _pair("published w1.2 > w1.0 at 160, 192", *at(data, 160, 192), published),
        lambda: _pair("published w1.2 > w1.0 at 128 to 192", *at(data, 128, 160, 192), published),
        *[
            lambda size=size: _pair(f"w1.0 at 224 > w1.0 at {size}", *at(data, size), _ridge(data))
            for size in (128, 160, 192)
        ],
        lambda: _pair("w1.0 at 224 > w1.0 at 128 to 192", *at(data, 128, 160, 192), _ridge(data)),
        lambda: _pair("w1.0 at 128 to 192 > w1.0 at 224", *measured(data), _low(data)),
        lambda: _pair("w1.0 at 224 > published w1.2 at 224", *_truth(published, 224), _ridge(data)),
        lambda: _pair("w1.0 at 224 > published w1.2", *_truth(published, *SIZES), _ridge(data)),
        lambda: _pair(
            "w1.0 at 128 to 192 > published w1.2", *_truth(published, *SIZES), _low(data)
        ),
        lambda: _pair("a useless one > w1.0 at 224", *measured(data), Constant(published.space)),
        lambda: _pair("the reverse > w1.0 at 224", *measured(data), Reversed(published)),
    ]
    names = (
        "w12-224", "w12-160", "w12-all", "r128", "r160", "r192", "r-all", "low-224", "t224",
        "t-all", "low-t", "useless", "reversed",
    )  # fmt: skip
    return dict(zip(names, found, strict=True))


def _pair(name: str, space: SearchSpace, rows: MeasuredRows, prior: Predictor) -> Pair:
    return Pair(name, space, rows, prior)


def measured(data: Path) -> tuple[SearchSpace, MeasuredRows]:
    """Subnets of MobileNetV3 w1.0 at 224 pixels."""
    space = SearchSpace("ofa_mbv3_w1.0", resolution=224)
    files = sorted((data / MEASURED).glob("*.csv"))
    tables = [read_measured_subnets(file, space.family) for file in files]
    matrix = np.concatenate([space.to_matrix(table.subnets) for table in tables])
    return space, measured_rows(space, matrix, np.concatenate([t.top1 for t in tables]))


def at(data: Path, *sizes: int) -> tuple[SearchSpace, MeasuredRows]:
    """Subnets of MobileNetV3 w1.0 at other resolutions, without the offsets of the workers."""
    space = SearchSpace("ofa_mbv3_w1.0", resolution=sizes)
    kinds = ("resolution", "depth", "kernel", "expand")
    columns = np.concatenate([space.family.columns(kind) for kind in kinds])
    matrix, top1 = [], []
    with (data / RESOLUTIONS).open() as file:
        for row in csv.DictReader(file):
            if int(row["r"]) in sizes:
                values = np.array(" ".join(row[key] for key in ("r", "d", "ks", "e")).split(), int)
                matrix.append(values[np.argsort(columns)])
                offset = [of for first, of in WORKERS if int(row["row"]) >= first][-1]
                top1.append(float(row["top1"]) - offset)
    rows = space.canonicalize(space.check(np.array(matrix, dtype=np.int16)))
    return space, averaged(rows, np.array(top1))


def _ridge(data: Path) -> Predictor:
    return _fitted(*measured(data))


def _low(data: Path) -> Predictor:
    return _fitted(*at(data, 128, 160, 192))


def _fitted(space: SearchSpace, rows: MeasuredRows) -> Predictor:
    return AccuracyPredictor.fit(space, rows.matrix, rows.top1, model="ridge")


def _truth(published: AccuracyPredictor, *sizes: int) -> tuple[SearchSpace, MeasuredRows]:
    """Subnets of every size of MobileNetV3 w1.2, whose accuracies its predictor makes up."""
    space = published.space.restrict(resolution=sizes)
    matrix = np.unique(space.sample(N_TRUTH, seed=1, uniform_over="sizes"), axis=0)
    noise = np.random.default_rng(0).normal(0, NOISE, len(matrix))
    return space, averaged(matrix, published.predict(matrix) + noise)
