"""The seeds that a study remembers."""

from __future__ import annotations

from collections.abc import Callable

import optuna_ofa
from optuna_ofa.reports import find_sources
from optuna_ofa.samplers import EvolutionarySampler
from optuna_ofa.space import SearchSpace
from optuna_ofa.studies import SubnetStudy

Make = Callable[..., SubnetStudy]


def seed_of(study: SubnetStudy) -> str:
    return {source.name: source.text for source in find_sources(study)}["Seed"]


def test_another_process_knows_the_seed_that_was_given(
    searched: Make, url: str, names: Callable[[], str]
) -> None:
    study = searched(storage=url, study_name=names())
    again = optuna_ofa.load_study(study.study_name, url)
    assert again.snapshot().seeds == (7,)
    assert seed_of(again) == "7"


def test_seeds_of_several_processes_are_all_named(make_study: Make, sqlite: str) -> None:
    for seed in (11, 3, 11):
        make_study(
            storage=sqlite, study_name="a", seed=seed, sampler=None, load_if_exists=True
        ).search(20)
    study = make_study(storage=sqlite, study_name="a", sampler=None, load_if_exists=True)
    assert seed_of(study) == "3, 11 (of several processes)"


def test_no_seed_is_made_up(make_study: Make, space: SearchSpace) -> None:
    assert seed_of(make_study(sampler=None)) == "none was given to the study"
    sampler = EvolutionarySampler(space, seed=5)
    assert seed_of(make_study(sampler=sampler)) == "none was given to the study"


def test_a_copy_has_the_seeds(searched: Make) -> None:
    assert seed_of(searched().copy(None, [0, 1])) == "7"


def test_the_moment_is_that_of_the_last_trial(searched: Make, sqlite: str) -> None:
    study = searched(storage=sqlite)
    last = max(t.datetime_complete for t in study.trials if t.datetime_complete)
    assert study.snapshot().finished == last
    assert searched(0, study_name="b").snapshot().finished is None
