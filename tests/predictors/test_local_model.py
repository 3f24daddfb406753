"""Cheap estimates near some subnets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from optuna_ofa.data import packaged_accuracy, packaged_table
from optuna_ofa.predictors import (
    AccuracyPredictor,
    CostPredictor,
    LatencyPredictor,
    LatencyTable,
    Predictor,
)
from optuna_ofa.space import Matrix, get_family


@pytest.fixture
def published(shared_data: Path) -> AccuracyPredictor:
    return AccuracyPredictor.load(shared_data / "ofa_mbv3_w1.2_acc_predictor.pth")


def test_tangents_are_exact_at_their_anchors(published: AccuracyPredictor) -> None:
    anchors = published.space.sample(300, seed=0)
    model = published.local_model(anchors)
    assert model is not None
    assert model(anchors, np.arange(300)) == pytest.approx(published.predict(anchors), abs=1e-4)


def test_tangents_of_known_and_new_anchors_are_those_of_all_at_once(
    published: AccuracyPredictor, shared_data: Path
) -> None:
    rows = published.space.sample(300, seed=0)
    children = published.space.sample(300, seed=1)
    fresh = AccuracyPredictor.load(shared_data / "ofa_mbv3_w1.2_acc_predictor.pth")
    for anchors in (rows[:100], rows[50:250], rows[::-1], rows[:0], rows[7:8]):
        model, at_once = published.local_model(anchors), fresh.local_model(rows)
        assert model is not None
        assert at_once is not None
        place = [np.flatnonzero((rows == row).all(axis=1))[0] for row in anchors]
        n = len(anchors)
        expected = at_once(children[:n], np.array(place, dtype=np.intp))
        assert np.array_equal(model(children[:n], np.arange(n)), expected)


def test_tangents_have_the_slopes_of_the_network(published: AccuracyPredictor) -> None:
    anchors = published.space.sample(50, seed=1)
    others = published.space.sample(50, seed=2)
    network = published.model
    inputs = torch.from_numpy(network.encoding.encode(published.space, anchors))
    changed = torch.from_numpy(network.encoding.encode(published.space, others))
    _, slopes = torch.autograd.functional.jvp(network._forward, inputs, changed - inputs)
    model = published.local_model(anchors)
    assert model is not None
    expected = published.predict(anchors) + 100 * slopes[:, 0].numpy()
    assert model(others, np.arange(50)) == pytest.approx(expected, abs=1e-3)


def test_tangents_are_better_near_than_far(published: AccuracyPredictor) -> None:
    space = published.space
    anchors = space.sample(200, seed=0)
    near = anchors.copy()
    kernel = [gene.name for gene in space.genes].index("stage3.block1.kernel")
    near[:, kernel] = np.where(anchors[:, kernel] == 3, 5, 3)
    model = published.local_model(anchors)
    assert model is not None

    def error(rows: Matrix) -> float:
        return float(np.abs(model(rows, np.arange(200)) - published.predict(rows)).mean())

    assert error(near) < 0.3 * error(space.sample(200, seed=5))


@pytest.mark.parametrize("kind", ["fitted", "table", "macs"])
def test_cheap_predictors_are_their_own_local_models(kind: str) -> None:
    family = get_family("ofa_mbv3_w1.0")
    path, table = packaged_accuracy(family, "linear"), packaged_table("cpu-torch", family)
    assert path is not None
    assert table is not None
    fitted = AccuracyPredictor.load(path)
    space = fitted.space
    predictors: dict[str, Callable[[], Predictor]] = {
        "fitted": lambda: fitted,
        "table": lambda: LatencyPredictor(table=LatencyTable.load(table), space=space),
        "macs": lambda: CostPredictor("n_macs", space),
    }
    predictor = predictors[kind]()
    rows = space.sample(20, seed=0)
    model = predictor.local_model(rows[:3])
    assert model is not None
    assert np.array_equal(model(rows, np.zeros(20, dtype=np.intp)), predictor.predict(rows))
