"""The main job on published data: what a user does, from the call to the picture."""

from __future__ import annotations

import math
from pathlib import Path

import optuna
import pytest

import optuna_ofa

# What the ofa package's own finder reaches in 50,100 evaluations for each limit.
FINDER_TOP1 = {15.0: 78.56, 20.0: 80.65, 25.0: 81.79, 30.0: 82.64}


def _study(shared_data: Path, **arguments: object) -> optuna_ofa.SubnetStudy:
    defaults: dict[str, object] = {
        "hardware": shared_data / "note10_w1.2",
        "accuracy": shared_data / "ofa_mbv3_w1.2_acc_predictor.pth",
        "constraints": {"latency_ms": 30.0},
        "seed": 0,
    }
    return optuna_ofa.study("ofa_mbv3_w1.2", **(defaults | arguments))  # type: ignore[arg-type]


def test_front_on_sqlite_is_sorted_feasible_and_predicted(
    shared_data: Path, tmp_path: Path
) -> None:
    storage = f"sqlite:///{tmp_path / 'nas.db'}"
    study = _study(shared_data, storage=storage, study_name="phone")
    study.search(n_trials=1_000)
    front = study.front()
    latencies = [point.values["latency_ms"] for point in front]
    assert latencies == sorted(latencies)
    assert max(latencies) <= 30.0
    assert {point.kind for point in front} == {"predicted"}
    assert all(point.subnet in study.space for point in front)
    assert len(optuna.load_study(study_name="phone", storage=storage).trials) == 1_000
    study.plot_front().write_html(tmp_path / "front.html")
    assert (tmp_path / "front.html").stat().st_size > 10_000


def test_one_run_beats_the_finder_under_every_limit(shared_data: Path) -> None:
    study = _study(shared_data)
    study.search(n_trials=20_000)
    front = study.front()
    found = {limit: front.best(latency_ms=limit).values["top1"] for limit in FINDER_TOP1}
    assert {limit: value > FINDER_TOP1[limit] for limit, value in found.items()} == dict.fromkeys(
        FINDER_TOP1, True
    ), found


def test_published_oracles_of_the_ends_of_the_space(shared_data: Path) -> None:
    study = _study(shared_data)
    assert study.space.resolutions == (160, 176, 192, 208, 224)
    ends = study.space.to_matrix([study.space.smallest(), study.space.largest()])
    top1, latency_ms = study.problem.evaluate(ends).values.T
    assert latency_ms == pytest.approx([9.890, 92.398], abs=5e-4)
    assert top1 == pytest.approx([75.31, 83.59], abs=5e-3)


def test_impossible_limit_ends_at_once_with_what_can_be_reached(shared_data: Path) -> None:
    study = _study(shared_data, constraints={"latency_ms": 9.0})
    with pytest.raises(
        optuna_ofa.exceptions.InfeasibleConstraintError, match=r"smallest reachable .* 9\.89"
    ):
        study.search(n_trials=10_000)
    assert study.trials == []


def test_constraint_on_accuracy_is_a_lower_bound(shared_data: Path) -> None:
    study = _study(shared_data, constraints={"top1": 80.0})
    study.search(n_trials=1_000)
    assert min(point.values["top1"] for point in study.front()) >= 80.0
    bounds = [t.constraints["top1"] - (80.0 - t.values[0]) for t in study.trials]
    assert max(map(math.fabs, bounds)) < 1e-9


def test_packaged_predictors_need_no_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTUNA_OFA_OFFLINE", "1")
    study = optuna_ofa.study("ofa_mbv3_w1.0", seed=0)
    study.search(n_trials=300)
    front = study.front()
    assert study.space.resolutions == tuple(range(128, 225, 4))
    assert len({point.subnet.resolution for point in front}) > 3
    assert all({"top1", "latency_ms"} == set(point.std) for point in front)
