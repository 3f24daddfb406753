"""Keeping only the front of a search."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.problem import SUMMARY_KEY
from optuna_ofa.studies import SubnetStudy

Make = Callable[..., SubnetStudy]
BOUND = {"latency_ms": 30.0}


@pytest.fixture(params=["memory", "sqlite", "journal"])
def storage(request: pytest.FixtureRequest, sqlite: str, tmp_path: Path) -> Any:
    """A storage of each kind."""
    journal = JournalStorage(JournalFileBackend(str(tmp_path / "log")))
    return {"memory": None, "sqlite": sqlite, "journal": journal}[request.param]


def points(study: SubnetStudy) -> list[tuple[Any, Any]]:
    return [(p.subnet, p.values) for p in study.front()]


def test_the_front_is_that_of_a_study_that_keeps_all(make_study: Make, storage: Any) -> None:
    everything, front = (
        make_study(constraints=BOUND),
        make_study(constraints=BOUND, storage=storage, keep="front"),
    )
    for study in (everything, front):
        study.search(350)
    assert points(front) == points(everything)
    assert len(front.front()) < len(front.trials) < 200


def test_what_is_written_is_feasible_and_was_not_dominated(make_study: Make, storage: Any) -> None:
    study = make_study(constraints=BOUND, storage=storage, keep="front")
    study.search(300)
    signed = np.array([t.values for t in study.trials]) * study.problem.signs
    assert all(t.constraints["latency_ms"] <= 0 for t in study.trials)
    for i, values in enumerate(signed):  # what was written before does not dominate it
        before = signed[:i]
        assert not ((before <= values).all(axis=1) & (before < values).any(axis=1)).any()
    assert [t.number for t in study.trials] == list(range(len(signed)))


def test_a_sample_has_every_twentieth_too(make_study: Make, storage: Any) -> None:
    everything = make_study(constraints=BOUND)
    sample = make_study(constraints=BOUND, storage=storage, keep="sample")
    for study in (everything, sample):
        study.search(300)
    assert points(sample) == points(everything)
    kept = {tuple(t.params.items()) for t in sample.trials}
    drawn = everything.trials[::20]
    assert {tuple(t.params.items()) for t in drawn} <= kept
    assert any(t.constraints["latency_ms"] > 0 for t in sample.trials)
    assert len(sample.trials) < 200
    assert sum(g.n_written for g in sample.generations()) == len(sample.trials)


def test_summaries_of_the_generations(make_study: Make, storage: Any) -> None:
    study = make_study(constraints=BOUND, storage=storage, keep="front")
    study.search(250)
    generations = study.generations()
    assert [g.n_evaluated for g in generations] == [100, 100, 50]
    assert sum(g.n_written for g in generations) == len(study.trials)
    assert all(g.n_written <= g.n_feasible <= g.n_evaluated for g in generations)
    best = max(g.best["top1"] for g in generations if g.best["top1"] is not None)
    assert best == max(t.values[0] for t in study.trials)
    assert [g.completed for g in generations] == sorted(g.completed for g in generations)
    assert generations[0].completed == study.trials[0].datetime_complete


def test_a_generation_without_a_feasible_subnet_has_no_best(make_study: Make) -> None:
    smallest = make_study(constraints={"latency_ms": 12.13}, keep="front")
    smallest.search(200)
    last = smallest.generations()[-1]
    assert (last.n_feasible, last.best) == (0, {"top1": None, "latency_ms": None})


def test_summaries_are_attributes_of_the_study(make_study: Make, url: str, names: Any) -> None:
    name = names()
    study = make_study(storage=url, study_name=name, keep="front")
    study.search(150)
    storage = optuna.load_study(study_name=name, storage=url)._storage
    attributes = storage.get_study_system_attrs(study._study_id)
    keys = sorted(key for key in attributes if key.startswith(SUMMARY_KEY))
    assert keys == [f"optuna_ofa:generation:0000000{i}" for i in (0, 1)]
    assert attributes[keys[0]]["n_evaluated"] == 100


def test_workers_note_all_their_generations(make_study: Make, sqlite: str) -> None:
    shared = {"storage": sqlite, "study_name": "a", "load_if_exists": True, "keep": "front"}
    first, second = (make_study(**shared, seed=seed) for seed in (1, 2))
    for study in (first, second, first):
        study.search(100)
    assert sum(generation.n_evaluated for generation in second.generations()) == 300
    signed = second.results().values * second.problem.signs
    for i, values in enumerate(signed):  # also not by what the other has written
        assert not (signed[:i] < values).all(axis=1).any()


@pytest.mark.parametrize("keep", ["front", "sample"])
@pytest.mark.parametrize(
    "constraints", [{}, {"latency_ms": 30.0, "n_params": 5e6}], ids=["free", "constrained"]
)
def test_a_reopened_search_is_that_of_one_process(
    make_study: Make, url: str, names: Callable[[], str], keep: str, constraints: dict[str, float]
) -> None:
    shared = {"constraints": constraints, "keep": keep}
    whole, whole_in_parts = make_study(**shared), make_study(**shared)
    whole.search(until=430)
    stored = {**shared, "storage": url, "study_name": names(), "load_if_exists": True}
    for n in range(43, 431, 43):
        whole_in_parts.search(until=n)
        make_study(**stored).search(until=n)  # as a new process
    reopened = make_study(**stored)
    assert points(reopened) == points(whole)
    assert [t.values for t in reopened.trials] == [t.values for t in whole_in_parts.trials]
    assert seen(reopened) == seen(whole) == 430


def seen(study: SubnetStudy) -> int:
    """Return how many subnets are never evaluated again."""
    study.engine.refresh()
    return len(study.engine._search.evolution._told)


def test_nothing_is_summed_up_where_all_is_kept(make_study: Make, sqlite: str) -> None:
    study = make_study(storage=sqlite)
    study.search(100)
    assert study.generations() == []


@pytest.mark.parametrize("keep", ["best", None, True], ids=str)
def test_other_values_are_refused(make_study: Make, sqlite: str, keep: Any) -> None:
    rule = f"`keep` must be one of 'all', 'front', 'sample', but got {keep!r}"
    with pytest.raises(InvalidArgumentError, match=rule):
        make_study(storage=sqlite, study_name="a", keep=keep)
    assert not Path(sqlite.removeprefix("sqlite:///")).exists()
