"""No subnet is evaluated twice by whoever runs trials, and a study whose subnets run out stops."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from optuna_ofa import SearchSpace, Subnet, SubnetStudy
from optuna_ofa.exceptions import SearchSpaceExhaustedError
from optuna_ofa.samplers import EvolutionarySampler, SubnetSampler, SurrogateSampler

Make = Callable[..., SubnetStudy]
Samplers = {"evolution": EvolutionarySampler, "surrogate": SurrogateSampler}


@pytest.fixture
def small() -> SearchSpace:
    return SearchSpace("ofa_mbv3_w1.0", resolution=224).restrict(
        kernel=[3], expand=[3], depth=[2, 3]
    )


@pytest.fixture(params=["memory", "sqlite", "journal"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> BaseStorage:
    if request.param == "journal":
        return JournalStorage(JournalFileBackend(str(tmp_path / "study.log")))
    if request.param == "sqlite":
        return RDBStorage(f"sqlite:///{tmp_path}/study.db")
    return InMemoryStorage()


def plain(
    sampler: SubnetSampler, storage: BaseStorage | None = None, name: str | None = None
) -> optuna.Study:
    return optuna.create_study(
        directions=["maximize", "minimize"],
        sampler=sampler,
        storage=storage,
        study_name=name,
        load_if_exists=True,
    )


def depths(space: SearchSpace) -> Callable[[optuna.Trial], tuple[float, float]]:
    def objective(trial: optuna.Trial) -> tuple[float, float]:
        depth = sum(space.suggest(trial).stage_depths)
        return 60.0 + depth, 5.0 + depth

    return objective


def check_complete(study: optuna.Study, space: SearchSpace) -> None:
    assert [t.state for t in study.trials] == [TrialState.COMPLETE] * space.n_subnets
    rows = space.from_params([t.params for t in study.trials])
    assert len({row.tobytes() for row in rows}) == space.n_subnets


class TestTheEndOfTheSpace:
    @pytest.mark.parametrize("sampler", Samplers)
    def test_a_plain_study_stops(self, small: SearchSpace, sampler: str) -> None:
        study = plain(Samplers[sampler](small, seed=0))
        study.optimize(depths(small), n_trials=small.n_subnets + 8)
        check_complete(study, small)

    @pytest.mark.parametrize("n_jobs", [1, 3])
    @pytest.mark.parametrize("learn", [False, True])
    def test_a_study_of_ours_stops(
        self, make_study: Make, small: SearchSpace, n_jobs: int, learn: bool
    ) -> None:
        study = make_study(small, sampler=None, learn=learn)
        study.optimize(depths(small), n_trials=small.n_subnets + 8, n_jobs=n_jobs)
        check_complete(study, small)
        study.optimize(depths(small), n_trials=5)
        check_complete(study, small)

    def test_there_is_no_trial_to_ask_for(self, make_study: Make, small: SearchSpace) -> None:
        study = make_study(small)
        study.optimize(depths(small))  # without a number of trials
        with pytest.raises(SearchSpaceExhaustedError, match="All 32 subnets"):
            study.ask()
        check_complete(study, small)

    def test_what_runs_elsewhere_is_left_to_others(
        self, make_study: Make, small: SearchSpace
    ) -> None:
        study = make_study(small)
        others = study.ask_batch(2)
        asked = study.ask()
        study.optimize(depths(small), n_trials=40)
        states = [t.state for t in study.trials]
        assert states.count(TrialState.COMPLETE) == 29
        assert states.count(TrialState.RUNNING) == 3
        assert study.space.suggest(asked) not in {one.subnet for one in others}

    def test_a_surplus_trial_of_a_plain_study_is_pruned(self, small: SearchSpace) -> None:
        study = plain(EvolutionarySampler(small, seed=0))
        study.optimize(depths(small))
        study.optimize(depths(small), n_trials=3)
        assert [t.state for t in study.trials[32:]] == [TrialState.PRUNED]

    def test_a_pool_is_a_space_of_its_own(self, small: SearchSpace) -> None:
        pool = small.enumerate()[:7]
        study = plain(SurrogateSampler(small, pool=pool, seed=0))
        study.optimize(depths(small), n_trials=20)
        assert [t.state for t in study.trials] == [TrialState.COMPLETE] * 7

    def test_enqueued_trials_are_run_all_the_same(
        self, make_study: Make, small: SearchSpace
    ) -> None:
        study = make_study(small)
        study.enqueue_trial({"stage1.depth": 3})
        study.enqueue_trial(small.to_params(small.to_matrix([small.largest()]))[0])
        study.optimize(depths(small))
        check_complete(study, small)
        assert study.trials[0].params["stage1.depth"] == 3


class TestWorkers:
    """Workers with the same seed, whose trials run at the same time."""

    @pytest.mark.parametrize("sampler", Samplers)
    def test_of_a_plain_study(self, space: SearchSpace, sampler: str) -> None:
        storage = InMemoryStorage()
        workers = [plain(Samplers[sampler](space, seed=0), storage, "w") for _ in range(3)]
        trials = [(worker, worker.ask()) for _ in range(3) for worker in workers]
        subnets = [space.suggest(trial) for _, trial in trials]
        assert len(set(subnets)) == 9
        for worker, trial in trials:
            worker.tell(trial, (70.0, 9.0))

    def test_of_a_study_of_ours(self, make_study: Make, storage: BaseStorage) -> None:
        arguments: dict[str, Any] = {
            "storage": storage,
            "study_name": "w",
            "load_if_exists": True,
            "seed": 0,
        }
        workers = [make_study(**arguments) for _ in range(3)]
        trials = [worker.ask() for worker in workers]  # without parameters yet
        asked = workers[0].ask_batch(3)
        subnets = [workers[0].space.suggest(trial) for trial in trials]
        assert len({*subnets, *(one.subnet for one in asked)}) == 6

    def test_threads(self, make_study: Make) -> None:
        study = make_study()
        study.optimize(depths(study.space), n_trials=24, n_jobs=4)
        assert len({space_row.tobytes() for space_row in study.results().matrix}) == 24

    def test_the_later_of_two_claims_gives_way(self, space: SearchSpace) -> None:
        storage = InMemoryStorage()
        first, second = (plain(EvolutionarySampler(space, seed=0), storage, "w") for _ in range(2))
        early, late = first.ask(), second.ask()
        row = space.to_matrix([space.smallest()])
        claims = [study.sampler._claims for study in (first, second)]  # type: ignore[attr-defined]
        frozen = [storage.get_trial(trial._trial_id) for trial in (early, late)]
        storage.set_trial_system_attr(late._trial_id, "optuna_ofa:claim", row[0].tolist())
        withdraw = threading.Timer(
            0.1, storage.set_trial_system_attr, (late._trial_id, "optuna_ofa:claim", [])
        )
        withdraw.start()
        assert claims[0].make(first, frozen[0], row) is True
        assert claims[1].make(second, frozen[1], row) is None
        name = "stage1.depth"
        storage.set_trial_param(early._trial_id, name, 0, space.distributions[name])  # goes ahead
        assert claims[1].make(second, frozen[1], row) is False


class TestSpellings:
    """Genes of blocks that a subnet does not have make no difference."""

    @pytest.fixture
    def spellings(self, space: SearchSpace) -> list[dict[str, Any]]:
        (params,) = space.to_params(space.to_matrix([space.smallest()]))
        return [params, {**params, "stage1.block4.kernel": 7}]

    @pytest.mark.parametrize("skip", [False, True])
    def test_enqueued_twice_is_evaluated_once(
        self, make_study: Make, spellings: list[dict[str, Any]], storage: BaseStorage, skip: bool
    ) -> None:
        study = make_study(storage=storage)
        found: list[Subnet] = []
        for params in spellings:
            study.enqueue_trial(params, skip_if_exists=skip)
        study.optimize(lambda t: (found.append(study.space.suggest(t)), 70.0, 9.0)[1:], n_trials=2)
        assert len(set(found)) == 2

    @pytest.mark.parametrize("how", ["search", "optimize", "add_trial", "ask"])
    def test_what_exists_is_skipped(
        self, make_study: Make, spellings: list[dict[str, Any]], how: str
    ) -> None:
        study = make_study()
        first, second = spellings
        if how == "add_trial":
            distributions = dict(study.space.distributions)
            values = (70.0, 9.0)
            study.add_trial(
                optuna.create_trial(params=first, distributions=distributions, values=values)
            )
        else:
            study.enqueue_trial(first)
        if how == "search":
            study.search(1)
        elif how == "optimize":
            study.optimize(depths(study.space), n_trials=1)
        elif how == "ask":
            study.ask(fixed_distributions=study.space.distributions)
        study.enqueue_trial(second, skip_if_exists=True)
        assert len(study.trials) == 1
        if how != "ask":
            study.enqueue_trial(second)  # to evaluate it once more
            assert len(study.trials) == 2
