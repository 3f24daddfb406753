"""The sampler that learns from measurements, in plain Optuna studies."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import moocore
import numpy as np
import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase, MultiObjectiveSamplerTestCase
from optuna.trial import TrialState

from optuna_ofa.exceptions import FamilyMismatchError, InvalidArgumentError, PredictionError
from optuna_ofa.predictors import CostPredictor, Predictor
from optuna_ofa.samplers import SurrogateSampler
from optuna_ofa.space import Matrix, SearchSpace

Objective = Callable[[optuna.Trial], tuple[float, ...]]


def _space() -> SearchSpace:
    return SearchSpace("ofa_mbv3_w1.0").restrict(resolution=[224])


@pytest.fixture
def space() -> SearchSpace:
    return _space()


class TestSurrogateSampler(BasicSamplerTestCase, MultiObjectiveSamplerTestCase):
    """Optuna's public suite; its relative cases need a sampler of arbitrary spaces."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: SurrogateSampler(_space(), seed=0)


def make(space: SearchSpace, **options: object) -> SurrogateSampler:
    """One that models early and searches little."""
    return SurrogateSampler(
        space, **{"n_startup_trials": 8, "batch_size": 4, "n_searched": 400, "seed": 0} | options
    )


def values_of(space: SearchSpace, matrix: Matrix, n_objectives: int = 2) -> np.ndarray:
    """Parameters and kernels to maximise, multiply-adds to minimise, depth to maximise."""
    params = CostPredictor("n_params", space).predict(matrix) / 1e6
    macs = CostPredictor("n_macs", space).predict(matrix) / 1e8
    columns = [params + (matrix == 7).sum(axis=1) / 10, macs, (matrix > 0).sum(axis=1)]
    return np.stack(columns[:n_objectives], axis=1)


def objective_of(
    space: SearchSpace, n_objectives: int = 2, limit: float | None = None
) -> Objective:
    def objective(trial: optuna.Trial) -> tuple[float, ...]:
        row = space.to_matrix([space.suggest(trial)])
        values = values_of(space, row, n_objectives)[0]
        if limit is not None:
            trial.set_constraint("macs", float(values_of(space, row)[0, 1]) - limit)
        return tuple(values.tolist())

    return objective


def create(sampler: BaseSampler, n_objectives: int = 2, **options: object) -> optuna.Study:
    directions = ["maximize", "minimize", "maximize"][:n_objectives]
    return optuna.create_study(directions=directions, sampler=sampler, **options)


def rows_of(space: SearchSpace, study: optuna.Study) -> Matrix:
    return space.from_params([t.params for t in study.trials])


def n_different(space: SearchSpace, study: optuna.Study) -> int:
    return len({row.tobytes() for row in rows_of(space, study)})


@pytest.mark.parametrize("n_objectives", [2, 3])
def test_after_the_start_it_finds_more(space: SearchSpace, n_objectives: int) -> None:
    study = create(make(space), n_objectives)
    study.optimize(objective_of(space, n_objectives), n_trials=20)
    assert n_different(space, study) == 20
    rows = rows_of(space, study)
    random = np.concatenate([rows[:8], space.sample(12, seed=0)])
    assert volume(space, rows, n_objectives) > volume(space, random, n_objectives)


def volume(space: SearchSpace, matrix: Matrix, n_objectives: int) -> float:
    """Hypervolume over what is worse than all subnets."""
    values = values_of(space, matrix, n_objectives) * np.array([-1.0, 1.0, -1.0])[:n_objectives]
    return float(moocore.hypervolume(values, ref=[0.0, 8.0, 0.0][:n_objectives]))


def test_one_objective_comes_to_its_best(space: SearchSpace) -> None:
    def objective(trial: optuna.Trial) -> float:
        (value,) = values_of(space, space.to_matrix([space.suggest(trial)]), 1)[0]
        return -abs(float(value) - 5.0)

    study = create(make(space), 1)
    study.optimize(objective, n_trials=20)
    assert max(t.value for t in study.trials[8:]) > max(t.value for t in study.trials[:8])


def test_it_finds_more_than_random(space: SearchSpace) -> None:
    study = create(make(space))
    study.optimize(objective_of(space), n_trials=40)
    found = values_of(space, rows_of(space, study)) * [-1, 1]
    random = values_of(space, space.sample(40, seed=0)) * [-1, 1]
    dominated = (found[:, None] <= random).all(axis=2).any(axis=0)
    assert dominated.mean() > 0.9


def test_starts_with_the_smallest_and_the_largest(space: SearchSpace) -> None:
    study = create(make(space))
    study.optimize(objective_of(space), n_trials=2)
    assert space.from_matrix(rows_of(space, study)) == [space.smallest(), space.largest()]


def test_same_seed_gives_the_same_trials(space: SearchSpace) -> None:
    def rows(seed: int) -> list[list[int]]:
        study = create(make(space, seed=seed))
        study.optimize(objective_of(space), n_trials=14)
        return rows_of(space, study).tolist()

    assert rows(3) == rows(3)
    assert rows(3) != rows(4)


class TestPredictions:
    def test_they_lie_beside_what_was_measured(self, space: SearchSpace) -> None:
        study = create(make(space))
        study.optimize(objective_of(space), n_trials=20)
        for trial in study.trials[:8]:
            assert "predicted" not in trial.user_attrs
        found = []
        for trial in study.trials[8:]:
            predicted, std = trial.user_attrs["predicted"], trial.user_attrs["predicted_std"]
            assert [*predicted] == [*std] == ["values_0", "values_1"]
            found.append([*predicted.values()])
            assert [*predicted.values()] != trial.values
            assert min(std.values()) > 0
        true = np.array([trial.values for trial in study.trials[8:]])
        assert (np.abs(np.array(found) / true - 1).mean(axis=0) < 0.1).all()

    @pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
    @pytest.mark.parametrize("names", [None, ["depth and kernels", "macs"]])
    def test_they_have_the_names_of_the_metrics(
        self, space: SearchSpace, names: list[str] | None
    ) -> None:
        study = create(make(space))
        if names:
            study.set_metric_names(names)
        study.optimize(objective_of(space), n_trials=9)
        noted = [*study.trials[8].user_attrs["predicted"]]
        assert noted == (names or ["values_0", "values_1"])

    def test_a_single_objective_is_the_value(self, space: SearchSpace) -> None:
        study = create(make(space), 1)
        study.optimize(objective_of(space, 1), n_trials=9)
        assert [*study.trials[8].user_attrs["predicted"]] == ["value"]


class TestFailures:
    @pytest.mark.parametrize("how", ["raises", "nan", "too many", "pruned", "infinite"])
    def test_what_fails_is_not_repeated_and_stops_nothing(
        self, small_space: SearchSpace, how: str
    ) -> None:
        good = objective_of(small_space)

        def objective(trial: optuna.Trial) -> tuple[float, ...]:
            values = good(trial)
            if trial.number % 3:
                return values
            if how == "raises":
                raise RuntimeError("device lost")
            if how == "pruned":
                raise optuna.TrialPruned
            return {
                "nan": (values[0], np.nan),
                "too many": (*values, 1.0),
                "infinite": (values[0], np.inf),
            }[how]

        study = create(make(small_space, batch_size=20))
        study.optimize(objective, n_trials=60, catch=(RuntimeError,))
        assert n_different(small_space, study) == 60
        states = [t.state for t in study.trials[::3]]
        expected = {"pruned": TrialState.PRUNED, "infinite": TrialState.COMPLETE}
        assert states == [expected.get(how, TrialState.FAIL)] * 20
        assert {t.state for t in study.trials[1::3]} == {TrialState.COMPLETE}

    def test_an_error_that_is_not_caught_ends_optimize(self, space: SearchSpace) -> None:
        study = create(make(space))

        def objective(trial: optuna.Trial) -> tuple[float, float]:
            space.suggest(trial)
            raise RuntimeError("device lost")

        with pytest.raises(RuntimeError, match="device lost"):
            study.optimize(objective, n_trials=5)
        assert [t.state for t in study.trials] == [TrialState.FAIL]

    def test_failed_predictions_say_so(self, space: SearchSpace) -> None:
        study = create(make(space))
        study.optimize(objective_of(space), n_trials=8)
        study.optimize(lambda t: (space.suggest(t), 1 / 0), n_trials=1, catch=(ZeroDivisionError,))
        assert study.trials[8].user_attrs["error"] == "not measured"

    def test_if_all_fail_the_start_goes_on(self, space: SearchSpace) -> None:
        study = create(make(space))
        study.optimize(lambda t: (space.suggest(t), 1 / 0), n_trials=25, catch=(ZeroDivisionError,))
        assert n_different(space, study) == 25


class TestOtherTrials:
    def test_enqueued_ones_are_run_learnt_and_not_repeated(self, small_space: SearchSpace) -> None:
        study = create(make(small_space, batch_size=10))
        rows = small_space.enumerate()[::10]
        for params in small_space.to_params(rows):
            study.enqueue_trial(params)
        study.optimize(objective_of(small_space), n_trials=60)
        assert np.array_equal(rows_of(small_space, study)[: len(rows)], rows)
        assert n_different(small_space, study) == 60
        # 25 were measured, so there was no start
        assert "predicted" in study.trials[25].user_attrs

    def test_partly_fixed_ones_are_learnt_as_they_were_run(self, space: SearchSpace) -> None:
        study = create(make(space))
        study.optimize(objective_of(space), n_trials=8)
        study.enqueue_trial({"stage1.depth": 2, "stage2.depth": 2})
        study.optimize(objective_of(space), n_trials=6)
        assert study.trials[8].params["stage1.depth"] == 2
        assert n_different(space, study) == 14

    def test_predicted_ones_are_passed_over(self, small_space: SearchSpace) -> None:
        sampler = make(small_space)
        study = create(sampler)
        rows = small_space.enumerate()
        study.add_trials(
            [
                optuna.create_trial(
                    values=[1.0, 2.0],
                    params=params,
                    distributions=dict(small_space.distributions),
                    user_attrs={"kind": "predicted"},
                )
                for params in small_space.to_params(rows)
            ]
        )
        study.optimize(objective_of(small_space), n_trials=12)
        assert len(sampler._trials.measured(2, []).matrix) == 11
        assert len({row.tobytes() for row in rows_of(small_space, study)[243:]}) == 12

    def test_those_of_other_objectives_are_passed_over(self, space: SearchSpace) -> None:
        study = create(make(space))
        study.optimize(lambda t: (t.suggest_float("x", 0, 1), 1.0), n_trials=10)
        study.optimize(objective_of(space), n_trials=10)
        assert n_different_of(space, study.trials[10:]) == 10


def n_different_of(space: SearchSpace, trials: list[optuna.trial.FrozenTrial]) -> int:
    return len({row.tobytes() for row in space.from_params([t.params for t in trials])})


class TestSharing:
    def test_a_new_process_goes_on(self, space: SearchSpace, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/study.db"
        first, second = (make(space, n_startup_trials=5, seed=seed) for seed in (0, 1))
        create(first, storage=url, study_name="a").optimize(objective_of(space), n_trials=6)
        study = optuna.load_study(study_name="a", storage=url, sampler=second)
        study.optimize(objective_of(space), n_trials=3)
        assert n_different(space, study) == 9
        assert all("predicted" in t.user_attrs for t in study.trials[5:])

    def test_two_workers_never_measure_the_same(self, small_space: SearchSpace) -> None:
        storage = optuna.storages.InMemoryStorage()
        first = create(make(small_space, seed=0), storage=storage, study_name="a")
        second = optuna.load_study(
            study_name="a", storage=storage, sampler=make(small_space, seed=0)
        )
        objective = objective_of(small_space)
        for _ in range(15):
            mine, theirs = first.ask(), second.ask()
            values = objective(mine), objective(theirs)
            second.tell(theirs, values[1])
            first.tell(mine, values[0])
        assert n_different(small_space, first) == 30

    def test_threads_never_measure_the_same(self, small_space: SearchSpace) -> None:
        study = create(make(small_space))
        study.optimize(objective_of(small_space), n_trials=40, n_jobs=3)
        assert [t.state for t in study.trials] == [TrialState.COMPLETE] * 40
        assert n_different(small_space, study) == 40

    def test_many_may_be_asked_for_at_once(self, space: SearchSpace) -> None:
        study = create(make(space))
        study.optimize(objective_of(space), n_trials=10)
        trials = [study.ask() for _ in range(12)]
        assert len({space.suggest(t) for t in trials}) == 12

    def test_a_pickled_sampler_goes_on(self, space: SearchSpace) -> None:
        sampler = make(space)
        study = create(sampler)
        study.optimize(objective_of(space), n_trials=10)
        study.sampler = pickle.loads(pickle.dumps(sampler))
        study.optimize(objective_of(space), n_trials=4)
        assert n_different(space, study) == 14


def test_constraints_lead_to_feasible_subnets(space: SearchSpace) -> None:
    study = create(make(space))
    study.optimize(objective_of(space, limit=3.0), n_trials=30)
    feasible = [t.constraints["macs"] <= 0 for t in study.trials]
    assert np.mean(feasible[12:]) > 0.8 > np.mean(feasible[:8])


class TestPriors:
    def test_they_are_used(self, space: SearchSpace) -> None:
        priors = [CostPredictor("n_params", space), CostPredictor("n_macs", space)]
        study = create(make(space, priors=priors))
        study.optimize(objective_of(space), n_trials=12)
        for trial in study.trials[8:]:  # multiply-adds are exact
            assert trial.user_attrs["predicted"]["values_1"] == pytest.approx(trial.values[1])
            assert trial.user_attrs["predicted_std"]["values_1"] == 0

    def test_there_is_one_for_each_objective(self, space: SearchSpace) -> None:
        study = create(make(space, priors=[None]))
        with pytest.raises(InvalidArgumentError, match="`priors` must be one for each of 2"):
            study.optimize(objective_of(space), n_trials=1)

    def test_one_for_other_weights_is_corrected_with_a_warning(self, space: SearchSpace) -> None:
        other = SearchSpace("ofa_mbv3_w1.2", resolution=224)
        priors = [CostPredictor("n_params", other), CostPredictor("n_macs", space)]
        with pytest.warns(UserWarning, match=r"'n_params' is for ofa_mbv3_w1\.2, not for"):
            sampler = make(space, priors=priors, n_startup_trials=5)
        study = create(sampler)
        study.optimize(objective_of(space), n_trials=14)
        predicted = np.array([[*t.user_attrs["predicted"].values()] for t in study.trials[5:]])
        true = np.array([t.values for t in study.trials[5:]])
        # the second prior is exact but for its unit
        np.testing.assert_allclose(predicted[:, 1], true[:, 1], rtol=1e-9)
        assert np.abs(predicted[:, 0] / true[:, 0] - 1).mean() < 0.1

    def test_the_start_lies_along_the_front_that_they_expect(self, space: SearchSpace) -> None:
        priors = [CostPredictor("n_params", space), CostPredictor("n_macs", space)]
        study = create(make(space, priors=priors))
        study.optimize(objective_of(space), n_trials=8)
        assert "predicted" not in study.trials[7].user_attrs
        found = np.stack([p.predict(rows_of(space, study)) for p in priors], axis=1) * [-1, 1]
        random = np.stack([p.predict(space.sample(200, seed=0)) for p in priors], axis=1) * [-1, 1]
        dominated = (random[:, None] <= found).all(axis=2)
        assert dominated.mean() < 0.002
        assert np.ptp(np.log(found[:, 1])) > np.ptp(np.log(random[:, 1]))

    def test_they_are_of_the_family(self, space: SearchSpace) -> None:
        other = CostPredictor("n_macs", SearchSpace("ofa_resnet50"))
        with pytest.raises(FamilyMismatchError, match="is of ofa_resnet50"):
            make(space, priors=[None, other])

    def test_they_give_numbers(self, space: SearchSpace) -> None:
        class Broken(Predictor):
            metric, space = "n_macs", _space()

            def predict(self, matrix: Matrix) -> np.ndarray:
                return np.full(len(matrix), np.nan)

        study = create(make(space, priors=[None, Broken()]))
        with pytest.raises(PredictionError, match="`n_macs` must return 8 finite numbers"):
            study.optimize(objective_of(space), n_trials=9)


def test_a_pool_is_not_left(space: SearchSpace) -> None:
    pool = space.sample(30, seed=0)
    study = create(make(space, pool=pool))
    study.optimize(objective_of(space), n_trials=30)
    assert np.array_equal(np.unique(rows_of(space, study), axis=0), np.unique(pool, axis=0))


@pytest.mark.parametrize(
    "options",
    [{"batch_size": 0}, {"n_startup_trials": -1}, {"n_searched": 0}, {"optimism": -0.1}],
    ids=lambda o: next(iter(o)),
)
def test_numbers_that_are_too_small_are_refused(
    space: SearchSpace, options: dict[str, float]
) -> None:
    (name,) = options
    with pytest.raises(InvalidArgumentError, match=f"`{name}` must be a .*number of at"):
        make(space, **options)
