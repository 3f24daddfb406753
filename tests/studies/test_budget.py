"""How much one call of `search` adds: so many, until there are so many, or for so long."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import optuna_ofa
from optuna_ofa import SearchSpace
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fleets import Fleet
from optuna_ofa.predictors import Predictor
from optuna_ofa.space import Matrix
from optuna_ofa.studies import Budget, SubnetStudy

Make = Callable[..., SubnetStudy]


@pytest.fixture(params=["memory", "sqlite", "journal"])
def storage(request: pytest.FixtureRequest, sqlite: str, tmp_path: Path) -> Any:
    """A storage of each kind."""
    journal = JournalStorage(JournalFileBackend(str(tmp_path / "log")))
    return {"memory": None, "sqlite": sqlite, "journal": journal}[request.param]


def make_fleet(space: SearchSpace, predictor: Callable[..., Predictor]) -> Fleet:
    top1, latency = (predictor(metric, space) for metric in ("top1", "latency_ms"))
    return optuna_ofa.fleet(space, hardware={"a": latency, "b": latency}, accuracy=top1, seed=0)


def slowly(predictor: Predictor, seconds: list[float], clock: list[float]) -> Predictor:
    """Let each prediction take so long on a clock of the test."""
    predict = predictor.predict

    def later(matrix: Matrix) -> Any:
        clock[0] += seconds.pop(0) if seconds else 0.0
        return predict(matrix)

    predictor.predict = later  # type: ignore[method-assign]
    return predictor


class TestUntil:
    def test_a_second_run_adds_nothing(self, make_study: Make, storage: Any) -> None:
        study = make_study(storage=storage)
        for total, expected in ((130, 130), (130, 130), (100, 130), (250, 250)):
            study.search(until=total)
            assert len(study.trials) == expected

    def test_a_new_process_goes_on_to_the_same_total(self, make_study: Make, sqlite: str) -> None:
        shared = {"storage": sqlite, "study_name": "a", "load_if_exists": True}
        make_study(**shared).search(70)
        make_study(**shared).search(until=200)
        assert len(make_study(**shared).trials) == 200

    def test_it_is_the_search_of_as_many_trials(self, make_study: Make) -> None:
        one, other = make_study(), make_study()
        one.search(250)
        other.search(until=100)
        other.search(until=250)
        assert (one.results().matrix == other.results().matrix).all()

    def test_measured_trials_count_and_failed_ones_do_not(self, make_study: Make) -> None:
        study = make_study()
        study.search(50)
        good, bad = study.ask_batch(2)
        study.tell_batch([good, bad], [(75.0, 20.0), None])
        study.search(until=51)
        assert len(study.trials) == 52
        study.search(until=60)
        assert len(study.results(kind="predicted").numbers) == 59

    def test_enqueued_trials_count(self, make_study: Make, space: SearchSpace) -> None:
        study = make_study()
        for params in space.to_params(space.sample(5, seed=1)):
            study.enqueue_trial(params)
        study.search(until=20)
        assert len(study.trials) == 20

    @pytest.mark.parametrize("keep", ["front", "sample"])
    def test_evaluations_count_that_are_no_trials(
        self, make_study: Make, storage: Any, keep: str
    ) -> None:
        study = make_study(storage=storage, keep=keep)
        study.search(until=250)
        study.search(until=250)
        assert sum(g.n_evaluated for g in study.generations()) == 250
        assert len(study.trials) < 250

    def test_it_ends_with_the_space(self, make_study: Make, small_space: SearchSpace) -> None:
        study = make_study(small_space)
        study.search(until=10_000)
        assert len(study.trials) == small_space.n_subnets

    def test_another_worker_fills_it_up(
        self, make_study: Make, predictor: Callable[..., Predictor], space: SearchSpace, sqlite: str
    ) -> None:
        accuracy = predictor("top1", space)
        shared = {"storage": sqlite, "study_name": "a", "load_if_exists": True}
        first = make_study(accuracy=accuracy, seed=1, **shared)
        predict = accuracy.predict

        def meanwhile(matrix: Matrix) -> Any:
            accuracy.predict = predict  # type: ignore[method-assign]
            make_study(seed=2, **shared).search(80)
            return predict(matrix)

        accuracy.predict = meanwhile  # type: ignore[method-assign]
        first.search(until=150)
        assert len(first.trials) == 150

    def test_processes_end_at_one_total(self, sqlite: str, processes: Any) -> None:
        worker = """
import optuna_ofa
optuna_ofa.study(
    "ofa_mbv3_w1.0", objectives=["n_macs", "n_params"], storage=url, study_name="shared",
    load_if_exists=True, seed=seed,
).search(until=610)
"""
        processes.finish(*(processes.start(worker, url=sqlite, seed=seed) for seed in (1, 2)))
        found = optuna_ofa.load_study("shared", sqlite)
        assert len(found.trials) == 610

    def test_each_device_of_a_fleet(
        self, space: SearchSpace, predictor: Callable[..., Predictor]
    ) -> None:
        fleet = make_fleet(space, predictor)
        fleet["a"].search(30)
        for _ in range(2):
            fleet.search(until=60)
            assert [len(study.trials) for study in fleet.values()] == [60, 60]

    def test_the_bar_runs_to_the_total(
        self, make_study: Make, capfd: pytest.CaptureFixture[str]
    ) -> None:
        study = make_study()
        study.search(40)
        study.search(until=100, progress=True)
        err = capfd.readouterr().err
        assert "40/100" in err
        assert "100/100" in err


class TestTimeout:
    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """A clock that a test moves."""
        now = [0.0]
        monkeypatch.setattr("optuna_ofa.studies._budget.time.monotonic", lambda: now[0])
        return now

    @pytest.mark.parametrize(
        ("limits", "expected"),
        [
            ({"timeout": 25.0}, 300),
            ({"timeout": 25.0, "n_trials": 120}, 120),
            ({"timeout": 25.0, "n_trials": 5000}, 300),
            ({"timeout": 25.0, "until": 5000}, 300),
            ({"timeout": 0.0, "until": 5000}, 0),
        ],
        ids=["alone", "fewer", "more", "until", "none"],
    )
    def test_no_generation_is_begun_after_it(
        self,
        make_study: Make,
        predictor: Callable[..., Predictor],
        space: SearchSpace,
        clock: list[float],
        limits: dict[str, Any],
        expected: int,
    ) -> None:
        accuracy = slowly(predictor("top1", space), [10.0] * 9, clock)
        study = make_study(accuracy=accuracy)
        study.search(**limits)
        assert len(study.trials) == expected

    def test_a_fleet_shares_it(
        self, space: SearchSpace, predictor: Callable[..., Predictor], clock: list[float]
    ) -> None:
        fleet = make_fleet(space, predictor)
        for study in fleet.values():
            slowly(study.problem.predictors["latency_ms"], [10.0] * 9, clock)
        fleet.search(timeout=5.0)
        first, second = (len(study.trials) for study in fleet.values())
        assert first > 0 == second


class TestBadInput:
    @pytest.mark.parametrize(
        ("limits", "words"),
        [
            ({}, "`n_trials` (to add), `until` (in total) or `timeout` (in seconds) must be given"),
            ({"n_trials": 5, "until": 9}, "`until` must be None with `n_trials`"),
            ({"until": -1}, "`until` must be a whole number of at least 0 or None, but got -1"),
            ({"until": 1.5}, "`until` must be a whole number"),
            ({"timeout": -1}, "`timeout` must be a number of at least 0 or None, but got -1"),
            ({"timeout": float("nan")}, "`timeout` must be a number"),
        ],
        ids=["none", "both", "negative", "fraction", "negative time", "nan"],
    )
    def test_limits_are_checked_first(
        self, make_study: Make, limits: dict[str, Any], words: str
    ) -> None:
        study = make_study()
        with pytest.raises(InvalidArgumentError, match=re.escape(words)):
            study.search(**limits)
        assert study.trials == []

    def test_of_a_fleet(self, space: SearchSpace, predictor: Callable[..., Predictor]) -> None:
        with pytest.raises(InvalidArgumentError, match="`until` must be None with `n_trials`"):
            make_fleet(space, predictor).search(5, until=9)

    def test_time_left_is_never_negative(self) -> None:
        assert Budget(n_trials=None, timeout=0.0).seconds_left() == 0.0
