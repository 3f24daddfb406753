"""Several processes that search one study."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest
import sqlalchemy as sa
from optuna.storages._rdb import models
from optuna.trial import TrialState

from optuna_ofa.predictors import Predictor
from optuna_ofa.samplers import Ascents, EvolutionarySampler, Growing
from optuna_ofa.space import Matrix, SearchSpace
from optuna_ofa.storage import relational
from optuna_ofa.storage._workers import WORKER_KEY
from optuna_ofa.studies import Budget, SubnetStudy

Make = Callable[..., SubnetStudy]
WORKER = """
import optuna_ofa
optuna_ofa.study(
    "ofa_mbv3_w1.0", objectives=["n_macs", "n_params"], constraints={"n_macs": 4e8},
    storage=url, study_name=name, load_if_exists=True, seed=seed,
).search(300)
"""


def rows_per_trial(study: optuna.Study, model: type) -> Counter[int]:
    """How many rows of a table each trial has."""
    storage = relational(study._storage)
    assert storage is not None
    table, trials = model.__table__, models.TrialModel.__table__
    query = sa.select(table.c.trial_id).join(trials, trials.c.trial_id == table.c.trial_id)
    with storage.engine.connect() as connection:
        own = connection.execute(query.where(trials.c.study_id == study._study_id))
        return Counter(own.scalars())


@pytest.mark.parametrize("seeds", [[1, 2], [3, 3]], ids=["seeds", "same-seed"])
def test_processes_share_one_study(
    url: str, names: Callable[[], str], seeds: list[int], processes: Any
) -> None:
    name = names()
    processes.finish(*(processes.start(WORKER, url=url, name=name, seed=seed) for seed in seeds))
    study = optuna.load_study(study_name=name, storage=url)
    trials = study.trials
    assert [t.number for t in trials] == list(range(600))
    assert {t.state for t in trials} == {TrialState.COMPLETE}
    assert len({repr(t.user_attrs["subnet"]) for t in trials}) == 600
    rows = {
        models.TrialParamModel: 46,
        models.TrialValueModel: 2,
        models.TrialUserAttributeModel: 3,
        models.TrialSystemAttributeModel: 2,  # the constraint, and the list for Optuna Dashboard
    }
    for model, n in rows.items():
        expected = {t._trial_id: n for t in trials}
        assert rows_per_trial(study, model) == expected


def test_workers_that_start_and_die_at_any_time_reach_the_total(
    sqlite: str, names: Callable[[], str], processes: Any
) -> None:
    code = WORKER.replace("search(300)", "search(until=900)")
    workers = [processes.start(code, url=sqlite, name=(name := names()), seed=1)]
    study = None
    while study is None or not study.trials:  # the others join a search that has begun
        with contextlib.suppress(KeyError, optuna.exceptions.StorageInternalError):
            study = optuna.load_study(study_name=name, storage=sqlite)
    workers += [processes.start(code, url=sqlite, name=name, seed=1) for _ in range(2)]
    workers.pop(0).kill()
    processes.finish(*workers)
    trials = study.trials
    assert [t.number for t in trials] == list(range(900))
    assert {t.state for t in trials} == {TrialState.COMPLETE}
    assert len({repr(t.user_attrs["subnet"]) for t in trials}) == 900


def test_the_small_space_is_shared_out(
    make_study: Make, small_space: SearchSpace, url: str, names: Callable[[], str]
) -> None:
    shared = {"storage": url, "study_name": names(), "load_if_exists": True}
    first, second = (make_study(small_space, **shared, seed=seed) for seed in (1, 2))
    for study in (first, second, first, second):
        study.search(80)
    assert len(first.results().numbers) == len(second.results().numbers) == 243


class TestMeetingAnotherWorker:
    """Another worker writes a generation while one predicts its own."""

    @pytest.fixture
    def first(
        self,
        make_study: Make,
        predictor: Callable[..., Predictor],
        space: SearchSpace,
        url: str,
        names: Callable[[], str],
        request: pytest.FixtureRequest,
    ) -> SubnetStudy:
        """A study whose first prediction waits for a search of another one."""
        name, accuracy = names(), predictor("top1", space)
        first = make_study(accuracy=accuracy, storage=url, study_name=name, seed=1)
        second = make_study(storage=url, study_name=name, load_if_exists=True, seed=request.param)
        predict = accuracy.predict

        def meanwhile(matrix: Matrix) -> object:
            accuracy.predict = predict  # type: ignore[method-assign]
            second.search(100)
            return predict(matrix)

        accuracy.predict = meanwhile  # type: ignore[method-assign,assignment]
        return first

    @pytest.mark.parametrize("first", [1, 2], indirect=True, ids=["same-seed", "other-seed"])
    def test_no_subnet_is_repeated_and_none_is_missing(self, first: SubnetStudy) -> None:
        first.search(150)
        trials = first.trials
        assert [t.number for t in trials] == list(range(250))
        assert len({repr(t.user_attrs["subnet"]) for t in trials}) == 250

    @pytest.mark.parametrize("first", [2], indirect=True, ids=["other-seed"])
    def test_its_results_are_known_at_once(self, first: SubnetStudy) -> None:
        first.search(100)
        known = first.engine.known()
        assert sorted(known.numbers.tolist()) == list(range(200))
        proposed = first.engine._search.evolution.ask(200)
        assert not {r.tobytes() for r in known.matrix} & {r.tobytes() for r in proposed}


Turns = Callable[..., tuple[SubnetStudy, list[int]]]


class TestTakingTurns:
    """Workers search one study, a generation each in turn: they meet whenever one writes."""

    SIZES = Growing(share=0.2)

    @pytest.fixture
    def take_turns(self, space: SearchSpace, make_study: Make, url: str, names: Any) -> Turns:
        """Search a new study; return it, and how many trials each turn has added."""

        def search(
            seeds: list[int], n: int, ascents: Ascents | None = None
        ) -> tuple[SubnetStudy, list[int]]:
            shared = {"storage": url, "study_name": names(), "load_if_exists": True}
            studies = [
                make_study(
                    **shared,
                    sampler=EvolutionarySampler(
                        space,
                        generation_size=self.SIZES,
                        n_candidates=1000,
                        ascents=ascents,
                        seed=seed,
                    ),
                )
                for seed in seeds
            ]
            turns = [study.search_steps(Budget(n_trials=n)) for study in studies]
            return studies[0], [added for turn in zip(*turns, strict=False) for added in turn]

        return search

    @pytest.mark.parametrize("seeds", [[1, 2], [3, 3]], ids=["seeds", "same-seed"])
    def test_each_writes_what_it_has_bred(self, take_turns: Turns, seeds: list[int]) -> None:
        study, added = take_turns(seeds, 450)
        matrix = study.results().matrix
        assert len(np.unique(matrix, axis=0)) == len(matrix) == sum(added)
        # a worker breeds a share of what it knows, which is all but the last turn of the other; in
        # the first turns they meet, and the last have less left than they would breed
        known = np.cumsum(added)
        turns = range(5, len(added) - 2)
        assert len(turns) > 8
        assert all(added[i] > 0.9 * self.SIZES(known[i - 2]) for i in turns)

    @pytest.mark.parametrize("seeds", [[1, 2], [3, 3]], ids=["seeds", "same-seed"])
    def test_the_course_follows_from_the_seeds(self, take_turns: Turns, seeds: list[int]) -> None:
        climbing = Ascents(first=100)
        one, other = (take_turns(seeds, 200, climbing)[0].results().matrix for _ in range(2))
        assert np.array_equal(one, other)

    def test_each_takes_one_number(self, take_turns: Turns) -> None:
        study, _ = take_turns([1, 2, 3], 150)
        taken = [key for key in study.store.attributes() if key.startswith(WORKER_KEY)]
        assert sorted(taken) == [f"{WORKER_KEY}{i}" for i in (1, 2, 3)]

    def test_a_single_worker_takes_none(self, take_turns: Turns) -> None:
        study, _ = take_turns([1], 150)
        assert not [key for key in study.store.attributes() if key.startswith(WORKER_KEY)]
