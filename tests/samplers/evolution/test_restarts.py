"""Islands: searches from scratch beside the population."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.samplers import Breeding, Constant, Evolution, EvolutionarySampler, Restarts
from optuna_ofa.samplers.evolution._schedule import Island
from optuna_ofa.space import Matrix, SearchSpace


def test_an_island_is_due_after_as_many_results_as_the_last_one_had() -> None:
    restarts = Restarts(first=1000, shortest=1000, share=0.25, n_generations=30)
    assert restarts.next_island(999, None) is None
    first = restarts.next_island(1010, None)
    assert first == Island(1010, 1000, 30)
    assert restarts.next_island(3009, first) is None
    assert restarts.next_island(20_000, first) == Island(20_000, 5000, 30)


def test_an_island_starts_with_a_spread_and_ends_with_its_length() -> None:
    island = Island(2000, 3000, 30)
    assert [island.generation_size(n) for n in (2000, 2050, 4900)] == [50, 100, 100]
    assert [island.ends_at(n) for n in (4999, 5000)] == [False, True]


@pytest.mark.parametrize("wrong", [{"first": 0}, {"shortest": 0}, {"share": -0.1}])
def test_numbers_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidArgumentError, match=f"`{next(iter(wrong))}` must be a .*number of"):
        Restarts(**wrong)  # type: ignore[arg-type]


def _evolution(space: SearchSpace, restarts: Restarts | None, **options: Any) -> Evolution:
    return EvolutionarySampler(
        space,
        population_size=20,
        generation_size=Constant(50),
        n_candidates=200,
        restarts=restarts,
        seed=0,
        **options,
    ).evolution


def _run(evolution: Evolution, n: int) -> Matrix:
    parts = []
    while sum(map(len, parts)) < n:
        rows = evolution.ask(min(evolution.n_due, n - sum(map(len, parts))))
        evolution.tell(rows, _values(rows), np.zeros(len(rows)))
        parts.append(rows)
    return np.concatenate(parts)


def _values(rows: Matrix) -> NDArray[np.float64]:
    return np.stack([-rows[:, 6:].sum(axis=1), rows[:, :6].sum(axis=1)], axis=1).astype(float)


class _Spy(Breeding):
    """Breeding that remembers the populations."""

    populations: list[set[bytes]]

    def __init__(self) -> None:
        object.__setattr__(self, "populations", [])

    def __call__(
        self, space: SearchSpace, population: Matrix, *arguments: Any
    ) -> tuple[Matrix, NDArray[np.intp]]:
        self.populations.append({row.tobytes() for row in population})
        return Breeding()(space, population, *arguments)


def test_an_island_starts_anew_and_then_joins_what_was_found() -> None:
    space, spy = SearchSpace("ofa_mbv3_w1.0"), _Spy()
    restarts = Restarts(first=500, shortest=200, share=0, n_generations=4)
    rows = _run(_evolution(space, restarts, breeding=spy), 750)
    alone = _run(_evolution(space, None, breeding=_Spy()), 500)
    assert np.array_equal(rows[:500], alone)
    before, island = ({row.tobytes() for row in part} for part in (rows[:500], rows[500:700]))
    # of the generations at 450, 650 and 700; that at 500 is a spread
    assert spy.populations[-5] <= before
    assert spy.populations[-2] <= island
    assert spy.populations[-1] & before
    assert spy.populations[-1] & island
    assert len(np.unique(rows, axis=0)) == 750


@pytest.mark.parametrize("n_told", [120, 333, 550, 650, 720])
def test_islands_are_the_same_after_an_interruption(n_told: int) -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    restarts = Restarts(first=300, shortest=200, share=0, n_generations=4)
    expected = _run(_evolution(space, restarts), 800)
    resumed = _evolution(space, restarts)
    before = expected[:n_told]
    resumed.tell(before, _values(before), np.zeros(n_told))
    assert np.array_equal(_run(resumed, 800 - n_told), expected[n_told:])
