"""Twenty rows of predictions by the packaged predictors and of exact costs, which stay as they are.

The numbers are of this project's own predictors and tables. ``python tests/data/test_golden.py``
writes them anew, after a change of those.
"""

from __future__ import annotations

import csv
import functools
import io
from pathlib import Path

import numpy as np
import pytest

from optuna_ofa import AccuracyPredictor, LatencyPredictor, LatencyTable, SearchSpace, Subnet
from optuna_ofa.data import packaged_accuracy, packaged_table
from optuna_ofa.predictors import CostPredictor, Predictor

FILE = Path(__file__).with_name("golden.csv")
SPACE = SearchSpace("ofa_mbv3_w1.0", resolution=[160, 192, 224])
FIXED = SPACE.restrict(resolution=224)
RUNTIMES = ("onnxruntime", "openvino", "torch", "executorch")


def _table(runtime: str) -> LatencyTable:
    path = packaged_table(f"cpu-{runtime}", SPACE.family)
    assert path is not None
    return LatencyTable.load(path)


def _predictors() -> dict[str, Predictor]:
    path = packaged_accuracy(SPACE.family)
    assert path is not None
    costs = {name: CostPredictor(name, SPACE) for name in ("n_macs", "n_params")}
    latencies = {r: LatencyPredictor(table=_table(r), space=SPACE) for r in RUNTIMES}
    return {"top1": AccuracyPredictor.load(path), **costs, **latencies}


def _subnets() -> list[Subnet]:
    """The ends of two sizes, and others."""
    ends = [space.smallest() for space in (SPACE, FIXED)] + [SPACE.largest()]
    others = np.concatenate([SPACE.sample(10, seed=20), FIXED.sample(7, seed=21)])
    return [*ends, *SPACE.from_matrix(others)]


@functools.cache
def _rows() -> list[dict[str, str]]:
    subnets = _subnets()
    matrix = SPACE.to_matrix(subnets)
    predicted = {name: predictor.predict(matrix) for name, predictor in _predictors().items()}
    return [
        {"subnet": one.text, **{n: f"{values[i]:.9g}" for n, values in predicted.items()}}
        for i, one in enumerate(subnets)
    ]


ROWS = list(csv.DictReader(io.StringIO(FILE.read_text()))) if FILE.exists() else []


def test_there_are_twenty_different_subnets() -> None:
    assert len({row["subnet"] for row in ROWS}) == 20


@pytest.mark.parametrize("name", ["top1", "n_macs", "n_params", *RUNTIMES])
def test_predictions_are_those_of_the_file(name: str) -> None:
    for expected, found in zip(ROWS, _rows(), strict=True):
        assert found["subnet"] == expected["subnet"]
        exact = 1e-6 if name not in ("n_macs", "n_params") else 1e-12
        assert float(found[name]) == pytest.approx(float(expected[name]), rel=exact, nan_ok=True)


if __name__ == "__main__":
    with FILE.open("w", newline="") as file:
        rows = _rows()
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
