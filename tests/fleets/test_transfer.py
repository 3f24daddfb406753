"""What the subnets of one device are worth on another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optuna_ofa
from optuna_ofa import SearchSpace
from optuna_ofa.exceptions import EmptyFrontError, InvalidArgumentError
from optuna_ofa.fleets import Fleet
from optuna_ofa.fronts import TransferMatrix
from optuna_ofa.predictors import Predictor
from optuna_ofa.visualization import plot_transfer

LIMITS = {"wide": 30.0, "narrow": 40.0}


@pytest.fixture
def fleet(space: SearchSpace, hardware: dict[str, Predictor], accuracy: Any) -> Fleet:
    fleet = optuna_ofa.fleet(space, hardware=hardware, accuracy=accuracy, seed=0)
    fleet.search(200)
    return fleet


def best_by_hand(fleet: Fleet, matrix: TransferMatrix, device: str, ms: float) -> float:
    """The best accuracy of a device within a latency, of its trials and of the picks."""
    trials = fleet[device].results().values
    there = fleet[device].problem.evaluate(fleet.space.to_matrix(matrix.subnets)).values
    return max(top1 for top1, own_ms in [*trials, *there] if own_ms <= ms)


def test_rows_are_the_best_within_the_limit(fleet: Fleet) -> None:
    matrix = fleet.transfer_matrix(LIMITS)
    assert matrix.devices == ("wide", "narrow")
    assert matrix.limits_ms.tolist() == [30.0, 40.0]
    for i, (device, study) in enumerate(fleet.items()):
        best = study.front().best(latency_ms=LIMITS[device])
        assert matrix.subnets[i] == best.subnet
        assert matrix.top1[i] == best.values["top1"]
        assert matrix.latency_ms[i, i] == best.values["latency_ms"]


def test_columns_are_where_it_runs(fleet: Fleet, hardware: dict[str, Predictor]) -> None:
    matrix = fleet.transfer_matrix(LIMITS)
    rows = fleet.space.to_matrix(matrix.subnets)
    for j, device in enumerate(fleet):
        np.testing.assert_array_equal(matrix.latency_ms[:, j], hardware[device].predict(rows))


def test_loss_is_against_the_best_of_that_device(fleet: Fleet) -> None:
    matrix = fleet.transfer_matrix(LIMITS)
    assert matrix.loss.shape == (2, 2)
    for i in range(2):
        for j, device in enumerate(fleet):
            best = best_by_hand(fleet, matrix, device, matrix.latency_ms[i, j])
            assert matrix.loss[i, j] == pytest.approx(best - matrix.top1[i])
    assert np.diag(matrix.loss).tolist() == [0.0, 0.0]
    assert matrix.loss.min() >= 0
    assert matrix.loss.max() > 0.05  # the devices differ in what is slow


def test_one_limit_is_for_all(fleet: Fleet) -> None:
    assert fleet.transfer_matrix(35.0).limits_ms.tolist() == [35.0, 35.0]


def test_without_a_limit_it_is_the_knee(fleet: Fleet) -> None:
    knees = [study.front().knee() for study in fleet.values()]
    matrix = fleet.transfer_matrix()
    assert matrix.subnets == tuple(p.subnet for p in knees)
    assert matrix.limits_ms.tolist() == [p.values["latency_ms"] for p in knees]
    mixed = fleet.transfer_matrix({"wide": 30.0})
    assert mixed.limits_ms.tolist() == [30.0, knees[1].values["latency_ms"]]


def test_the_table_has_every_number(fleet: Fleet) -> None:
    matrix = fleet.transfer_matrix(LIMITS)
    head, wide, narrow, _ = str(matrix).split("\n")
    assert head.split() == ["best", "of", "limit", "ms", "top-1", "%", "on", "wide", "on", "narrow"]
    assert wide.split()[:3] == ["wide", "30.00", f"{matrix.top1[0]:.2f}"]
    assert f"{matrix.latency_ms[1, 0]:.2f} ms ({0 - matrix.loss[1, 0]:+.2f})" in narrow
    assert "(+0.00)" in wide


def test_a_limit_that_is_too_low_names_device_and_nearest(fleet: Fleet) -> None:
    expected = r"no subnet for 'narrow': No point .* latency_ms ≤ 2 ms; the nearest has"
    with pytest.raises(EmptyFrontError, match=expected):
        fleet.transfer_matrix({"narrow": 2.0})


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")], ids=repr)
def test_limits_are_positive(fleet: Fleet, limit: float) -> None:
    with pytest.raises(InvalidArgumentError, match=f"must be a positive.* got {limit}"):
        fleet.transfer_matrix(limit)


def test_limits_are_of_devices(fleet: Fleet) -> None:
    with pytest.raises(InvalidArgumentError, match="of the devices wide, narrow, but got 'tv'"):
        fleet.transfer_matrix({"tv": 3.0})


def test_latency_is_an_objective(
    space: SearchSpace, hardware: dict[str, Predictor], accuracy: Any
) -> None:
    fleet = optuna_ofa.fleet(
        space, hardware=hardware, accuracy=accuracy, objectives=("top1", "n_macs")
    )
    with pytest.raises(InvalidArgumentError, match="must have top1 and latency_ms"):
        fleet.transfer_matrix()


def test_an_unsearched_fleet_has_none(
    space: SearchSpace, hardware: dict[str, Predictor], accuracy: Any
) -> None:
    fleet = optuna_ofa.fleet(space, hardware=hardware, accuracy=accuracy)
    with pytest.raises(EmptyFrontError, match="no predicted trial"):
        fleet.transfer_matrix(30.0)


@pytest.mark.filterwarnings("ignore::optuna_ofa.exceptions.ExtrapolationWarning")
def test_extrapolated_accuracies_are_named(
    fleet: Fleet, accuracy: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fleet.transfer_matrix(LIMITS).extrapolated == ()
    top1 = fleet.transfer_matrix(LIMITS).top1
    limit = top1.mean()
    monkeypatch.setattr(accuracy, "extrapolates", lambda m: accuracy.predict(m) > limit)
    matrix = fleet.transfer_matrix(LIMITS)
    (name,) = matrix.extrapolated
    assert name == matrix.devices[int(top1.argmax())]
    assert str(matrix).endswith(f"Top-1 is extrapolated for the best of {name}.")
    rows = plot_transfer(matrix).layout.yaxis.ticktext
    assert [row.endswith("<br>(extrapolated)") for row in rows] == (top1 > limit).tolist()
