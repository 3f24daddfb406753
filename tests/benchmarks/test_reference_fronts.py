"""The fronts that the benchmarks compare with, in ``benchmarks/reference_fronts``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import optuna_ofa
from optuna_ofa.space import SearchSpace

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "reference_fronts"
TABLES = {"note10": "note10_w1.2", "i7-8700k": "i7-8700k_w1.0/i7-8700K_lut.yaml"}


@pytest.fixture(params=TABLES)
def device(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def front(device: str) -> dict[str, Any]:
    return dict(json.loads((FOLDER / f"{device}.json").read_text()))


def test_points_are_different_subnets_in_canonical_form(front: dict[str, Any]) -> None:
    space = SearchSpace(front["family"], resolution=(160, 176, 192, 208, 224))
    assert front["columns"] == ["top1", "latency_ms", *(gene.name for gene in space.genes)]
    matrix = space.check(np.array(front["points"])[:, 2:].astype(np.int16))
    np.testing.assert_array_equal(space.canonicalize(matrix), matrix)
    assert len(np.unique(matrix, axis=0)) == len(matrix)


def test_points_rise_in_both_objectives_so_that_none_dominates_another(
    front: dict[str, Any],
) -> None:
    values = np.array(front["points"])[:, :2]
    assert (np.diff(values, axis=0) > 0).all()


def test_hypervolumes_are_those_of_the_points(front: dict[str, Any]) -> None:
    moocore = pytest.importorskip("moocore", reason="moocore comes with pymoo")
    values = np.array(front["points"])[:, :2]
    for stored in front["hypervolumes"]:
        point = [stored["top1"], stored["latency_ms"]]
        found = moocore.hypervolume(values, ref=point, maximise=[True, False])
        assert found == pytest.approx(stored["hypervolume"], abs=1e-6)


def test_values_are_what_the_predictors_say(
    device: str, front: dict[str, Any], shared_data: Path
) -> None:
    study = optuna_ofa.study(
        front["family"],
        hardware=shared_data / TABLES[device],
        accuracy=shared_data / "ofa_mbv3_w1.2_acc_predictor.pth",
    )
    points = np.array(front["points"])
    predicted = study.problem.evaluate(points[:, 2:].astype(np.int16)).values
    np.testing.assert_allclose(points[:, :2], predicted, rtol=0, atol=1e-4)
