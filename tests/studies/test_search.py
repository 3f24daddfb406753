"""Searching in batches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import optuna_ofa
from optuna_ofa import SearchSpace, Subnet
from optuna_ofa.exceptions import InfeasibleConstraintError, InvalidArgumentError, PredictionError
from optuna_ofa.predictors import Predictor
from optuna_ofa.samplers import EvolutionarySampler
from optuna_ofa.space import Matrix
from optuna_ofa.studies import SubnetStudy

Make = Callable[..., SubnetStudy]


def subnets(study: optuna.Study) -> list[Subnet]:
    return [Subnet.from_dict(t.user_attrs["subnet"]) for t in study.trials]


@pytest.mark.parametrize("n", [0, 1, 99, 100, 250])
def test_as_many_trials_as_asked_for(make_study: Make, n: int) -> None:
    study = make_study()
    study.search(n)
    assert len(study.trials) == n


def test_no_subnet_is_evaluated_twice(make_study: Make) -> None:
    study = make_study()
    study.search(150)
    study.search(150)
    assert len(set(subnets(study))) == 300


def test_values_are_the_predictions(make_study: Make) -> None:
    study = make_study(constraints={"latency_ms": 30.0, "top1": 72.0})
    study.search(50)
    rows = study.space.to_matrix(subnets(study))
    top1, latency = (study.problem.predictors[m].predict(rows) for m in ("top1", "latency_ms"))
    assert [t.values for t in study.trials] == np.stack([top1, latency], axis=1).tolist()
    assert [t.constraints["latency_ms"] for t in study.trials] == (latency - 30).tolist()
    assert [t.constraints["top1"] for t in study.trials] == (72 - top1).tolist()


def test_parameters_are_those_of_the_stored_subnet(make_study: Make) -> None:
    study = make_study()
    study.search(50)
    rows = study.space.from_params([t.params for t in study.trials])
    assert study.space.from_matrix(rows) == subnets(study)


def test_trials_say_that_they_are_predicted(make_study: Make) -> None:
    study = make_study()
    study.search(10)
    assert {t.user_attrs["kind"] for t in study.trials} == {"predicted"}


@pytest.mark.parametrize("family", ["ofa_mbv3_w1.2", "ofa_proxyless_w1.3", "ofa_resnet50"])
def test_other_families(make_study: Make, family: str) -> None:
    study = make_study(SearchSpace(family))
    study.search(120)
    assert len(set(subnets(study))) == 120
    assert all(point.subnet in study.space for point in study.front())


def test_the_search_is_better_than_random(make_study: Make) -> None:
    study = make_study()
    study.search(600)
    random = study.problem.evaluate(study.space.sample(600, seed=0)).values
    best = study.front().best(latency_ms=25.0).values["top1"]
    assert best > random[random[:, 1] <= 25, 0].max()


@pytest.fixture(scope="module")
def in_memory() -> list[SubnetStudy]:
    """The study in memory that the test of each database compares with, once it is searched."""
    return []


def test_same_seed_gives_the_same_front_in_memory_in_a_database_and_after_a_restart(
    make_study: Make, url: str, names: Callable[[], str], in_memory: list[SubnetStudy]
) -> None:
    name, arguments = names(), {"constraints": {"latency_ms": 40.0}, "seed": 5}
    # of ascents too, which depend on all results before them
    if not in_memory:
        in_memory.append(make_study(**arguments))
        in_memory[0].search(1700)
    for n in (1140, 333, 227):  # each as a new process would
        study = make_study(storage=url, study_name=name, load_if_exists=True, **arguments)
        study.search(n)
    fronts = [
        [(p.subnet, p.values, p.trial_number) for p in s.front()] for s in (*in_memory, study)
    ]
    assert fronts[0] == fronts[1]


def test_another_seed_gives_another_search(make_study: Make) -> None:
    first, second = make_study(seed=1), make_study(seed=2)
    first.search(100)
    second.search(100)
    assert subnets(first) != subnets(second)


def test_a_continued_study_repeats_nothing(make_study: Make, sqlite: str) -> None:
    for _ in range(3):  # each time as a new process would
        study = make_study(storage=sqlite, study_name="phone", load_if_exists=True)
        study.search(120)
    assert len(set(subnets(study))) == 360


def test_a_continued_study_descends_from_what_it_has(make_study: Make, sqlite: str) -> None:
    make_study(storage=sqlite, study_name="phone").search(400)
    study = make_study(storage=sqlite, study_name="phone", load_if_exists=True, seed=8)
    study.search(100)
    values = np.array([t.values for t in study.trials])
    fresh = make_study(seed=8)
    fresh.search(100)
    start = np.array([t.values for t in fresh.trials])
    # top-1 that is not explained by latency: descendants of 400 subnets are ahead of a start
    slope, offset = np.polyfit(np.log(values[:, 1]), values[:, 0], 1)
    lead = values[400:, 0] - slope * np.log(values[400:, 1]) - offset
    behind = start[:, 0] - slope * np.log(start[:, 1]) - offset
    assert lead.mean() > behind.mean()


@pytest.mark.parametrize("storage", ["memory", "sqlite"])
def test_a_space_that_runs_out_ends_the_search(
    make_study: Make, small_space: SearchSpace, sqlite: str, storage: str
) -> None:
    study = make_study(small_space, storage=sqlite if storage == "sqlite" else None)
    study.search(1000)
    assert len(set(subnets(study))) == len(study.trials) == 243
    study.search(10)
    assert len(study.trials) == 243


def test_a_small_space_gives_the_true_front(make_study: Make, small_space: SearchSpace) -> None:
    study = make_study(small_space)
    study.search(243)
    values = study.problem.evaluate(small_space.enumerate()).values * study.problem.signs
    expected = {
        tuple(v) for v in values if not any((w <= v).all() and (w < v).any() for w in values)
    }
    found = {(-p.values["top1"], p.values["latency_ms"]) for p in study.front()}
    assert found == expected


class TestImpossibleConstraints:
    @pytest.mark.parametrize(
        ("bounds", "message"),
        [
            pytest.param(
                {"latency_ms": 12.0},
                r"latency_ms <= 12 ms is not: the smallest reachable value is 12\.13 ms\.",
                id="latency",
            ),
            pytest.param(
                {"top1": 90.0},
                r"top1 >= 90 % is not: the largest reachable value is 78\.\d+ %\.",
                id="accuracy",
            ),
            pytest.param(
                {"n_params": 1e6},
                "n_params <= 1,000,000 is not: the smallest reachable value is 3,410,792",
                id="no-objective",
            ),
            pytest.param(
                {"top1": 71.0, "latency_ms": 1.0}, "smallest reachable value is 12.13", id="second"
            ),
        ],
    )
    def test_end_at_once_with_what_is_reachable(
        self, make_study: Make, bounds: dict[str, float], message: str
    ) -> None:
        study = make_study(constraints=bounds)
        with pytest.raises(InfeasibleConstraintError, match=message):
            study.search(1000)
        assert study.trials == []

    def test_the_smallest_reachable_value_itself_is_possible(self, make_study: Make) -> None:
        study = make_study()
        smallest = study.space.to_matrix([study.space.smallest()])
        bound = float(study.problem.predictors["latency_ms"].predict(smallest)[0])
        study = make_study(constraints={"latency_ms": bound})
        study.search(10)
        assert [p.subnet for p in study.front()] == [study.space.smallest()]

    def test_on_the_published_table(self, shared_data: Path) -> None:
        study = optuna_ofa.study(
            "ofa_mbv3_w1.2",
            hardware=shared_data / "note10_w1.2",
            accuracy=shared_data / "ofa_mbv3_w1.2_acc_predictor.pth",
            constraints={"latency_ms": 9.8},
        )
        with pytest.raises(InfeasibleConstraintError, match=r"smallest reachable value is 9\.89"):
            study.search(1000)


class TestBadPredictions:
    @pytest.fixture
    def broken(self, predictor: Callable[..., Predictor], space: SearchSpace) -> Predictor:
        good = predictor("top1", space).predict
        return predictor("top1", space, good)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("storage", ["memory", "sqlite"])
    def test_values_that_are_no_numbers_are_not_written(
        self, make_study: Make, broken: Predictor, value: float, storage: str, sqlite: str
    ) -> None:
        study = make_study(accuracy=broken, storage=sqlite if storage == "sqlite" else None)
        study.search(100)
        good = broken.predict

        def bad(matrix: Matrix) -> np.ndarray:
            return np.where(np.arange(len(matrix)) == 7, value, good(matrix))

        broken.predict = bad  # type: ignore[method-assign]
        expected = rf"predictor of `top1` .* returned {value} for ofa_mbv3_w1.0@224 .*\(1 of 100\)"
        with pytest.raises(PredictionError, match=expected):
            study.search(200)
        assert len(study.trials) == 100

    @pytest.mark.parametrize(
        ("shape", "message"),
        [
            pytest.param(lambda n: (n, 1), r"shape \(100, 1\)", id="column"),
            pytest.param(lambda n: (n + 1,), r"shape \(101,\)", id="too-many"),
            pytest.param(lambda n: (), r"shape \(\)", id="scalar"),
        ],
    )
    def test_wrong_shapes_are_not_written(
        self,
        make_study: Make,
        broken: Predictor,
        shape: Callable[[int], tuple[int, ...]],
        message: str,
    ) -> None:
        study = make_study(accuracy=broken)
        broken.predict = lambda m: np.ones(shape(len(m)))  # type: ignore[method-assign]
        with pytest.raises(PredictionError, match=f"must return 100 numbers.*{message}"):
            study.search(100)
        assert study.trials == []

    def test_a_constraint_on_a_broken_predictor_ends_too(
        self, make_study: Make, broken: Predictor
    ) -> None:
        study = make_study(accuracy=broken, constraints={"top1": 71.0})
        broken.predict = lambda m: np.full(len(m), np.nan)  # type: ignore[method-assign]
        with pytest.raises(PredictionError, match="must return finite numbers"):
            study.search(100)


def test_a_predictor_may_stop_the_search(
    make_study: Make, predictor: Callable[..., Predictor], space: SearchSpace
) -> None:
    accuracy = predictor("top1", space)
    study = make_study(accuracy=accuracy)
    predict = accuracy.predict

    def stopping(matrix: Matrix) -> np.ndarray:
        if len(study.trials) >= 200:
            study.stop()
        return predict(matrix)

    accuracy.predict = stopping  # type: ignore[method-assign]
    study.search(1000)
    assert len(study.trials) == 300  # the generation that stopped is finished


def test_a_stopped_search_can_go_on(
    make_study: Make, predictor: Callable[..., Predictor], space: SearchSpace
) -> None:
    accuracy = predictor("top1", space)
    study = make_study(accuracy=accuracy)
    predict = accuracy.predict
    accuracy.predict = lambda m: (study.stop(), predict(m))[1]  # type: ignore[method-assign]
    study.search(500)
    accuracy.predict = predict  # type: ignore[method-assign]
    study.search(150)
    assert len(study.trials) == 250


def test_stop_is_refused_after_a_search(make_study: Make) -> None:
    study = make_study()
    study.search(10)
    with pytest.raises(RuntimeError, match=r"`Study\.stop` is supposed to be invoked inside"):
        study.stop()


@pytest.mark.parametrize("n", [-1, -100])
def test_a_negative_number_of_evaluations_is_refused(make_study: Make, n: int) -> None:
    with pytest.raises(
        InvalidArgumentError, match=f"`n_trials` must be a whole number of .*0 or None, but got {n}"
    ):
        make_study().search(n)


@pytest.mark.parametrize(
    ("progress", "shown"), [(None, False), (False, False), (True, True)], ids=str
)
def test_progress_bar_off_a_terminal(
    make_study: Make, capfd: pytest.CaptureFixture[str], progress: bool | None, shown: bool
) -> None:
    study = make_study()
    capfd.readouterr()
    study.search(100, progress=progress)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert ("100/100" in captured.err) == shown
    assert shown or captured.err == ""


def test_a_sampler_of_ones_own(make_study: Make, space: SearchSpace) -> None:
    study = make_study(sampler=EvolutionarySampler(space, population_size=10, seed=3))
    study.search(35)
    assert len(set(subnets(study))) == 35


@pytest.fixture(scope="module")
def study(shared_data: Path) -> SubnetStudy:
    """A short search on the published table and predictor."""
    study = optuna_ofa.study(
        "ofa_mbv3_w1.2",
        hardware=shared_data / "note10_w1.2",
        accuracy=shared_data / "ofa_mbv3_w1.2_acc_predictor.pth",
        seed=0,
    )
    study.search(2000)
    return study


class TestPublishedFiles:
    """Numbers that the published table and predictor are known to give."""

    def test_resolutions_are_those_that_both_cover(self, study: SubnetStudy) -> None:
        assert study.space.resolutions == (160, 176, 192, 208, 224)

    @pytest.mark.parametrize(
        ("number", "top1", "latency"), [(0, 75.31, 9.890), (1, 83.59, 92.398)], ids=["0", "1"]
    )
    def test_the_search_starts_at_the_known_ends(
        self, study: SubnetStudy, number: int, top1: float, latency: float
    ) -> None:
        assert study.trials[number].values[0] == pytest.approx(top1, abs=0.005)
        assert study.trials[number].values[1] == pytest.approx(latency, abs=0.0005)

    def test_a_short_search_is_near_the_known_results(self, study: SubnetStudy) -> None:
        assert study.front().best(latency_ms=20.0).values["top1"] > 79.0
        assert study.front().best(latency_ms=30.0).values["top1"] > 81.5


@pytest.mark.parametrize("keep", ["all", "front", "sample"])
@pytest.mark.parametrize("storage", ["memory", "sqlite", "journal"])
def test_a_search_of_one_subnet_stores_it(
    make_study: Make, sqlite: str, tmp_path: Path, storage: str, keep: str
) -> None:
    url: str | JournalStorage | None = None if storage == "memory" else sqlite
    if storage == "journal":
        url = JournalStorage(JournalFileBackend(str(tmp_path / "log")))
    study = make_study(storage=url, study_name="one", keep=keep)
    study.search(1)
    assert [t.number for t in study.trials] == [0]
    assert len(study.front()) == len(study.results().numbers) == 1
    study.search(1)
    assert len(study.trials) == study.engine.n_evaluated() == 2 or keep != "all"
    if url is not None:
        again = make_study(storage=url, study_name="one", keep=keep, load_if_exists=True)
        assert [t.values for t in again.trials] == [t.values for t in study.trials]


def test_nothing_is_created_for_impossible_predictions(
    make_study: Make, predictor: Callable[..., Predictor], space: SearchSpace, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    slow = predictor("latency_ms", space, lambda matrix: np.full(len(matrix), -1.0))
    with pytest.raises(PredictionError, match="`latency_ms` must return numbers above 0"):
        make_study(hardware=slow, storage=url, study_name="a")
    assert optuna.get_all_study_names(url) == []
