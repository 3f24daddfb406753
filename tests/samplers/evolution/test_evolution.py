"""The search without Optuna."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from optuna_ofa.costs import LayerSum, layer_macs, layer_params
from optuna_ofa.exceptions import InvalidArgumentError, SearchSpaceExhaustedError
from optuna_ofa.fronts import Values
from optuna_ofa.samplers import Evolution
from optuna_ofa.space import Matrix, SearchSpace

Make = Callable[..., Evolution]


def run(evolution: Evolution, sizes: list[int]) -> Matrix:
    """Ask for generations of these sizes, and tell simple values of them."""
    proposals = []
    for n in sizes:
        rows = evolution.ask(n)
        evolution.tell(rows, simple_values(rows), np.zeros(len(rows)))
        proposals.append(rows)
    return np.concatenate(proposals)


def exhaust(evolution: Evolution, size: int) -> Matrix:
    """Run generations until none is left."""
    proposals = []
    try:
        while True:
            proposals.append(run(evolution, [size]))
    except SearchSpaceExhaustedError:
        return np.concatenate(proposals)


def simple_values(rows: Matrix) -> Values:
    """Fewer kernels and less expansion against more of the first genes."""
    return np.stack([-rows[:, :6].sum(axis=1), rows[:, 6:].sum(axis=1)], axis=1).astype(float)


def test_nothing_is_proposed_twice(space: SearchSpace, make_evolution: Make) -> None:
    rows = run(make_evolution(space), [20, 7, 1, 50, 20, 20, 100])
    assert len(np.unique(rows, axis=0)) == len(rows) == 218


def test_proposals_are_canonical_subnets_of_the_space(
    space: SearchSpace, make_evolution: Make
) -> None:
    rows = run(make_evolution(space), [20] * 10)
    assert np.array_equal(space.canonicalize(space.check(rows)), rows)


@pytest.mark.parametrize("size", [1, 20, 1000], ids=lambda n: f"{n}-at-a-time")
def test_a_small_space_is_exhausted_exactly(
    small_space: SearchSpace, make_evolution: Make, size: int
) -> None:
    evolution = make_evolution(small_space)
    rows = exhaust(evolution, size)
    assert len(rows) == 243
    assert np.array_equal(np.unique(rows, axis=0), small_space.enumerate())
    with pytest.raises(SearchSpaceExhaustedError, match="All 243 subnets of SearchSpace"):
        evolution.ask(size)


def test_a_small_space_is_listed_once(
    small_space: SearchSpace, make_evolution: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[SearchSpace] = []
    enumerate_ = SearchSpace.enumerate
    monkeypatch.setattr(
        SearchSpace, "enumerate", lambda space: (calls.append(space), enumerate_(space))[1]
    )
    exhaust(make_evolution(small_space), 5)
    assert len(calls) == 1


def test_same_seed_gives_the_same_proposals(make_evolution: Make) -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    first, again, other = (run(make_evolution(space, seed=s), [20] * 5) for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_what_was_told_is_not_proposed(small_space: SearchSpace, make_evolution: Make) -> None:
    evolution = make_evolution(small_space)
    told = small_space.enumerate()[::2]
    evolution.tell(told, simple_values(told), np.zeros(len(told)))
    rest = np.concatenate([told, evolution.ask(1000)])
    assert np.array_equal(np.unique(rest, axis=0), small_space.enumerate())
    assert len(rest) == 243


def test_telling_again_changes_nothing(make_evolution: Make) -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    once, twice = make_evolution(space), make_evolution(space)
    rows = run(once, [20])
    run(twice, [20])
    twice.tell(rows[:5], simple_values(rows[:5]) - 100, np.zeros(5))
    assert np.array_equal(once.ask(20), twice.ask(20))


def test_rows_that_are_told_twice_at_once_count_once(make_evolution: Make) -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    once, twice = make_evolution(space), make_evolution(space)
    rows, again = once.ask(20), twice.ask(20)
    once.tell(rows, simple_values(rows), np.zeros(20))
    double = np.concatenate([again, again])
    twice.tell(double, simple_values(double), np.zeros(40))
    assert np.array_equal(once.ask(20), twice.ask(20))


def test_forbidden_subnets_are_not_proposed(small_space: SearchSpace, make_evolution: Make) -> None:
    evolution = make_evolution(small_space)
    forbidden = small_space.enumerate()[:100]
    evolution.forbid(forbidden)
    rest = evolution.ask(1000)
    assert len(rest) == 143
    assert len(np.unique(np.concatenate([rest, forbidden]), axis=0)) == 243


def test_infinite_values_have_no_children_and_are_not_proposed(
    small_space: SearchSpace, make_evolution: Make
) -> None:
    evolution = make_evolution(small_space, population_size=5)
    rows = small_space.enumerate()[::2]
    values = simple_values(rows)
    values[::2] = np.inf
    evolution.tell(rows, values, np.zeros(len(rows)))
    rest = exhaust(evolution, 5)
    assert len(rows) + len(rest) == 243
    assert len(np.unique(np.concatenate([rows, rest]), axis=0)) == 243


def test_a_search_that_continues_skips_the_start(make_evolution: Make) -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    evolution = make_evolution(space)
    told = space.sample(50, seed=3)
    evolution.tell(told, simple_values(told), np.zeros(50))
    assert space.largest() not in space.from_matrix(evolution.ask(20))


def test_constraints_lead_to_feasible_subnets(make_evolution: Make) -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    macs = LayerSum(space, lambda layer, _: layer_macs(layer))
    params = LayerSum(space, lambda layer, _: layer_params(layer))
    evolution = make_evolution(space)
    for _ in range(10):
        rows = evolution.ask(20)
        values = np.stack([-params(rows), macs(rows)], axis=1)
        evolution.tell(rows, values, np.maximum(macs(rows) - 1e8, 0))
    assert (macs(evolution.ask(40)) < 1.2e8).mean() > 0.8


def test_many_results_at_once_leave_the_best(make_evolution: Make) -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    evolution = make_evolution(space, population_size=10)
    told = space.sample(2500, seed=0)
    evolution.tell(told, told[:, 1:2].astype(float), np.zeros(2500))
    assert (evolution.ask(50)[:, 1] == 2).mean() > 0.8  # one in ten starts anywhere


def test_reseeding_changes_the_proposals(make_evolution: Make) -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    first, second = make_evolution(space), make_evolution(space)
    run(first, [20])
    run(second, [20])
    second.reseed()
    assert not np.array_equal(first.ask(20), second.ask(20))


def test_workers_make_different_proposals(make_evolution: Make) -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    one, same, other = (make_evolution(space) for _ in range(3))
    for evolution, worker in ((one, 1), (same, 1), (other, 2)):
        run(evolution, [20])
        evolution.share(worker)
    rows = one.ask(20)
    assert np.array_equal(rows, same.ask(20))
    assert not np.array_equal(rows, other.ask(20))


def test_results_of_others_leave_a_generation_whole(make_evolution: Make) -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    evolution, found = make_evolution(space), space.sample(13, seed=0)
    run(evolution, [20])
    evolution.share(1)
    rows = evolution.ask(12)
    evolution.tell_found(found, simple_values(found), np.zeros(13))
    assert evolution.n_due == 20
    assert len(set(map(bytes, [*rows, *evolution.ask(8)]))) == 20
    assert not set(map(bytes, evolution.ask(20))) & set(map(bytes, found))


@pytest.mark.parametrize("n_candidates", [0, 300], ids=["as-they-come", "estimated"])
@pytest.mark.parametrize("sizes", [[7] * 15, [1, 50, 3, 46, 5], [105]], ids=["7s", "mixed", "once"])
def test_proposals_do_not_depend_on_how_calls_are_cut(
    make_evolution: Make, sizes: list[int], n_candidates: int
) -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    whole = make_evolution(space, n_candidates=n_candidates)
    cut = make_evolution(space, n_candidates=n_candidates)
    expected = [run(whole, [whole.n_due]) for _ in range(6)]
    found = []
    for size in sizes:
        while size:
            n = min(size, cut.n_due)
            found.append(run(cut, [n]))
            size -= n
    assert np.array_equal(np.concatenate(expected)[:105], np.concatenate(found))


@pytest.mark.parametrize("n_told", [20, 33, 60, 79])
def test_a_search_that_is_started_anew_goes_on_as_it_would_have(
    make_evolution: Make, n_told: int
) -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    expected = run(make_evolution(space), [20] * 5)
    resumed = make_evolution(space)
    resumed.tell(expected[:n_told], simple_values(expected[:n_told]), np.zeros(n_told))
    rest = []
    while sum(map(len, rest)) < 100 - n_told:
        rest.append(run(resumed, [resumed.n_due]))
    assert np.array_equal(np.concatenate(rest), expected[n_told:])


def test_a_generation_that_others_have_evaluated_is_bred_again(make_evolution: Make) -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    first, second = make_evolution(space), make_evolution(space)
    rows = run(first, [20])
    run(second, [20])
    same = first.ask(19)
    second.tell(same, simple_values(same), np.zeros(19))
    more = second.ask(20)
    known = {row.tobytes() for row in np.concatenate([rows, same])}
    assert len(more) == 20
    assert not known & {row.tobytes() for row in more}


def test_what_others_tell_while_it_waits_is_not_proposed(make_evolution: Make) -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    evolution = make_evolution(space)
    evolution.ask(1)
    others = evolution.fork().ask(15)[::2]
    evolution.tell(others[:5], simple_values(others[:5]), np.zeros(5))
    evolution.forbid(others[5:])
    rest = evolution.ask(30)
    assert len(rest) == 30
    assert not {row.tobytes() for row in others} & {row.tobytes() for row in rest}


def test_a_fork_goes_its_own_way(make_evolution: Make) -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    evolution = make_evolution(space)
    run(evolution, [20])
    fork = evolution.fork()
    proposed = run(fork, [20, 20])
    assert np.array_equal(evolution.ask(20), proposed[:20])


def test_estimated_children_are_better(make_evolution: Make) -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    best = []
    for n_candidates in (0, 2000):
        rows = run(make_evolution(space, n_candidates=n_candidates), [20] * 15)
        best.append(simple_values(rows).sum(axis=1).min())
    assert best[1] < best[0]


def test_a_negative_number_of_candidates_is_refused(make_evolution: Make) -> None:
    with pytest.raises(
        InvalidArgumentError, match="`n_candidates` must be a whole number of at least 0"
    ):
        make_evolution(SearchSpace("ofa_mbv3_w1.0"), n_candidates=-1)


@pytest.mark.parametrize("n", [0, -1])
def test_asking_for_nothing_is_refused(make_evolution: Make, n: int) -> None:
    with pytest.raises(InvalidArgumentError, match=f"`n` must be at least 1, but got {n}"):
        make_evolution(SearchSpace("ofa_mbv3_w1.0")).ask(n)


@pytest.mark.parametrize("size", [1, 0, -5])
def test_a_population_of_fewer_than_two_is_refused(make_evolution: Make, size: int) -> None:
    with pytest.raises(
        InvalidArgumentError, match="`population_size` must be a whole number of at least 2"
    ):
        make_evolution(SearchSpace("ofa_mbv3_w1.0"), population_size=size)
