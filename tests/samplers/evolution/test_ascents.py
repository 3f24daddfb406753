"""Ascents along the front, in a search."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.samplers import Ascents, Constant, Evolution, EvolutionarySampler
from optuna_ofa.samplers.evolution import _evolution as _evolution_module
from optuna_ofa.samplers.evolution._chains import Chains
from optuna_ofa.samplers.evolution._estimates import Scored
from optuna_ofa.space import Keys, Matrix, SearchSpace, absent, keys_of

SPACE = SearchSpace("ofa_mbv3_w1.0")


@pytest.mark.parametrize("wrong", [{"n_chains": 0}, {"share": -0.1}, {"first": -1}], ids=str)
def test_numbers_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidArgumentError, match=f"`{next(iter(wrong))}` must be a .*number"):
        Ascents(**wrong)  # type: ignore[arg-type]


def _evolution(space: SearchSpace = SPACE, **options: Any) -> Evolution:
    options = {"ascents": Ascents(n_chains=6, first=300), **options}
    return EvolutionarySampler(
        space, population_size=30, generation_size=Constant(50), n_candidates=200, seed=0, **options
    ).evolution


def _values(rows: Matrix) -> NDArray[np.float64]:
    """Large kernels against expansion and depth, with a square that no line follows."""
    good = rows[:, 6:26].sum(axis=1) + 0.02 * rows.sum(axis=1, dtype=float) ** 1.2
    return np.stack([-good, rows[:, 26:].sum(axis=1) + rows[:, :6].sum(axis=1)], axis=1)


def _violations(rows: Matrix, limit: float | None) -> NDArray[np.float64]:
    if limit is None:
        return np.zeros(len(rows))
    return np.maximum(_values(rows)[:, 1] / limit - 1, 0)


def _run(evolution: Evolution, n: int, limit: float | None = None, size: int = 10**6) -> Matrix:
    parts: list[Matrix] = []
    while (left := n - sum(map(len, parts))) > 0:
        rows = evolution.ask(min(evolution.n_due, left, size))
        evolution.tell(rows, _values(rows), _violations(rows, limit))
        parts.append(rows)
    return np.concatenate(parts)


def test_the_first_results_are_those_of_generations() -> None:
    rows, without = _run(_evolution(), 600), _run(_evolution(ascents=None), 600)
    assert np.array_equal(rows[:300], without[:300])
    assert not np.array_equal(rows[300:330], without[300:330])
    assert len(np.unique(rows, axis=0)) == 600
    assert np.array_equal(SPACE.canonicalize(SPACE.check(rows)), rows)


@pytest.mark.parametrize("limit", [None, 260.0], ids=["free", "constrained"])
@pytest.mark.parametrize("size", [1, 7], ids=lambda n: f"{n}-at-a-time")
def test_proposals_do_not_depend_on_how_many_are_asked_for(size: int, limit: float | None) -> None:
    whole, parts = _run(_evolution(), 500, limit), _run(_evolution(), 500, limit, size)
    assert np.array_equal(whole, parts)


@pytest.mark.parametrize("limit", [None, 260.0], ids=["free", "constrained"])
@pytest.mark.parametrize("n_told", [120, 300, 333, 550, 720])
def test_they_are_the_same_after_an_interruption(n_told: int, limit: float | None) -> None:
    expected = _run(_evolution(), 800, limit)
    resumed, before = _evolution(), expected[:n_told]
    resumed.tell(before, _values(before), _violations(before, limit))
    assert np.array_equal(_run(resumed, 800 - n_told, limit), expected[n_told:])


@pytest.mark.parametrize("limit", [None, 260.0], ids=["free", "constrained"])
@pytest.mark.parametrize("n_told", [350, 399, 400, 401, 633, 800, 850])
def test_at_the_end_of_an_epoch_they_start_anew(
    n_told: int, limit: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_evolution_module, "_EPOCH", 400)
    expected = _run(_evolution(), 950, limit)
    assert np.array_equal(_run(_evolution(), 950, limit, 7), expected)
    resumed, before = _evolution(), expected[:n_told]
    resumed.tell(before, _values(before), _violations(before, limit))
    assert np.array_equal(_run(resumed, 950 - n_told, limit), expected[n_told:])


def test_generations_of_an_epoch_that_has_ended_are_not_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_evolution_module, "_EPOCH", 400)
    rows = _run(_evolution(), 850)
    climbed: list[int] = []
    filled = Ascents.filled

    def count(self: Ascents, *arguments: Any) -> Chains:
        climbed.append(arguments[3])
        return filled(self, *arguments)

    monkeypatch.setattr(Ascents, "filled", count)
    _evolution().tell(rows, _values(rows), np.zeros(len(rows)))
    assert climbed[:2] == [400, 800]
    assert len(climbed) > 2
    assert min(climbed[2:]) > 800


def test_failed_subnets_do_not_stop_them_and_are_the_same_after_an_interruption() -> None:
    first, failed, told = _evolution(), [], []
    while sum(map(len, told)) < 500:
        rows = first.ask(first.n_due)
        fails = keys_of(rows) % 7 == 0
        first.forbid(rows[fails])
        first.tell(rows[~fails], _values(rows[~fails]), np.zeros((~fails).sum()))
        failed.append(rows[fails])
        told.append(rows[~fails])
    resumed, known = _evolution(), np.concatenate(told)
    resumed.forbid(np.concatenate(failed))
    resumed.tell(known, _values(known), np.zeros(len(known)))
    assert np.array_equal(first.ask(first.n_due), resumed.ask(resumed.n_due))


def test_results_from_elsewhere_are_not_proposed_again() -> None:
    evolution = _evolution()
    _run(evolution, 400)
    foreign = evolution.fork().ask(evolution.n_due)[::2]
    evolution.tell(foreign, _values(foreign), np.zeros(len(foreign)))
    assert absent(_run(evolution, 200), foreign).all()


def test_a_constraint_leads_to_feasible_subnets() -> None:
    rows = _run(_evolution(), 900, limit=260.0)
    assert (_violations(rows[600:], 260.0) == 0).mean() > 0.6


@pytest.mark.parametrize("n_objectives", [1, 3])
def test_any_number_of_objectives_is_better_than_random(n_objectives: int) -> None:
    def values(rows: Matrix) -> NDArray[np.float64]:
        two = _values(rows)
        return np.column_stack([two, -rows[:, 0]])[:, :n_objectives]

    evolution, parts = _evolution(), []
    while sum(map(len, parts)) < 900:
        rows = evolution.ask(evolution.n_due)
        evolution.tell(rows, values(rows), np.zeros(len(rows)))
        parts.append(values(rows))
    random = values(SPACE.sample(900, seed=1))
    weights = np.ones(n_objectives) / n_objectives
    assert (np.concatenate(parts) @ weights).min() < (random @ weights).min()


def test_a_small_space_is_exhausted() -> None:
    space = SPACE.restrict(resolution=224, depth=2, kernel=3, expand=[3, 4])
    rows = _run(_evolution(space, ascents=Ascents(first=60)), space.n_subnets)
    assert np.array_equal(np.unique(rows, axis=0), space.enumerate())


def test_chains_that_have_not_ended_go_on() -> None:
    rng = np.random.default_rng(0)
    population = _scored(SPACE.sample(40, seed=0))
    ascents = Ascents(n_chains=5)
    before = Chains.starting(population.matrix[:5], np.ones((5, 2)))
    before = before._replace(reach=np.array([4, -1, 0, -1, 2]))
    after = ascents.filled(SPACE, population, before, 0, _is_known, rng)
    assert after.reach.tolist() == [4, 0, 2, 0, 0]
    assert np.array_equal(after.points.matrix[:3], before.points.matrix[[0, 2, 4]])
    assert not after.started.any()


def test_they_start_at_unknown_subnets() -> None:
    population, rng = _scored(SPACE.sample(30, seed=0)), np.random.default_rng(0)
    known = keys_of(population.matrix)
    chains = Ascents(n_chains=50).filled(
        SPACE, population, None, 0, lambda keys: np.isin(keys, known), rng
    )
    assert absent(chains.points.matrix, population.matrix).all()
    assert len(np.unique(chains.points.matrix, axis=0)) == 50


@pytest.mark.parametrize(("n_told", "n_chains"), [(0, 5), (400, 5), (1000, 10), (10**6, 200)])
def test_with_many_results_more_climb(n_told: int, n_chains: int) -> None:
    population, rng = _scored(SPACE.sample(30, seed=0)), np.random.default_rng(0)
    ascents = Ascents(n_chains=5, share=0.01)
    chains = ascents.filled(SPACE, population, None, n_told, _is_known, rng)
    assert len(chains.reach) == n_chains
    fewer = ascents.filled(SPACE, population, chains, 0, _is_known, rng)
    assert len(fewer.reach) == n_chains  # those that climb go on


def _is_known(keys: Keys) -> NDArray[np.bool_]:
    return np.zeros(len(keys), dtype=bool)


def _scored(rows: Matrix) -> Scored:
    return Scored(rows, _values(rows), np.zeros(len(rows)))
