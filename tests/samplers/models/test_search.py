"""Batches of subnets to measure, without Optuna."""

from __future__ import annotations

from collections.abc import Callable

import moocore
import numpy as np
import pytest

from optuna_ofa.exceptions import (
    InvalidArgumentError,
    InvalidSubnetError,
    SearchSpaceExhaustedError,
)
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.problem import Evaluated, Orientation
from optuna_ofa.samplers._priors import ExcessPrior
from optuna_ofa.samplers.models._models import LearnedModels, ModelsLearner, Targets
from optuna_ofa.samplers.models._search import SurrogateSearch
from optuna_ofa.space import Matrix, SearchSpace
from optuna_ofa.studies import SubnetStudy


@pytest.fixture
def space() -> SearchSpace:
    return SearchSpace("ofa_mbv3_w1.0").restrict(resolution=224)


def measure(space: SearchSpace, matrix: Matrix, limit: float = np.inf) -> Evaluated:
    """A front to find: parameters are good, multiply-adds bad, kernels of 7 in between."""
    params = CostPredictor("n_params", space).predict(matrix) / 1e6
    macs = CostPredictor("n_macs", space).predict(matrix) / 1e8
    kernels = (matrix == 7).sum(axis=1) / 10
    return Evaluated.of(
        matrix, np.stack([-params - kernels, macs], axis=1), (macs - limit)[:, None]
    )


Make = Callable[..., SurrogateSearch]


@pytest.fixture
def make() -> Make:
    def search(space: SearchSpace, **options: object) -> SurrogateSearch:
        options = {
            "orientation": Orientation((1.0, 1.0), (0, 1)),
            "objectives": [None, None],
            "constraints": [None],
            "n_startup_trials": 20,
            "optimism": 1.0,
            "n_searched": 1000,
        } | options
        return SurrogateSearch(space, **options)

    return search


def propose(
    search: SurrogateSearch,
    known: Evaluated,
    n: int = 5,
    pending: Matrix | None = None,
    taken: Matrix | None = None,
    seed: int = 0,
) -> Evaluated:
    nothing = known.matrix[:0]
    return search.propose(
        known,
        nothing if pending is None else pending,
        nothing if taken is None else taken,
        n,
        np.random.default_rng(seed),
    )


def keys(matrix: Matrix) -> set[bytes]:
    return {row.tobytes() for row in matrix}


def test_the_start_is_a_spread_with_both_ends(space: SearchSpace, make: Make) -> None:
    known = measure(space, space.sample(0, seed=0))
    found = propose(make(space), known, 20)
    assert np.isnan(found.values).all()
    assert space.from_matrix(found.matrix[:2]) == [space.smallest(), space.largest()]
    assert len(keys(found.matrix)) == 20


@pytest.mark.parametrize(
    ("n_known", "n_pending", "started"),
    [(20, 0, True), (5, 15, True), (4, 30, False), (19, 0, False)],
)
def test_models_are_used_once_enough_is_measured(
    space: SearchSpace, make: Make, n_known: int, n_pending: int, started: bool
) -> None:
    rows = np.unique(space.sample(60, seed=0), axis=0)
    found = propose(
        make(space), measure(space, rows[:n_known]), pending=rows[n_known : n_known + n_pending]
    )
    assert np.isnan(found.values).all() != started


def test_proposals_extend_the_front(space: SearchSpace, make: Make) -> None:
    known = measure(space, space.sample(60, seed=0))
    found = propose(make(space), known, 5)
    true = measure(space, found.matrix).values
    dominated = (known.values[:, None] <= true).all(axis=2).any(axis=0)
    assert not dominated.any()


def test_estimates_come_with_proposals(space: SearchSpace, make: Make) -> None:
    known = measure(space, space.sample(80, seed=0), limit=4.0)
    found = propose(make(space), known, 8)
    true = measure(space, found.matrix, limit=4.0)
    assert np.abs(found.values - true.values).mean() < 0.1 * known.values.std()
    assert np.abs(found.excess - true.excess).mean() < 0.1
    assert (found.std > 0).all()


def test_constraints_are_learnt(space: SearchSpace, make: Make) -> None:
    known = measure(space, space.sample(60, seed=0), limit=2.5)
    found = propose(make(space), known, 8)
    assert (measure(space, found.matrix, limit=2.5).excess <= 0.05).all()


def test_the_nearest_come_first_where_nothing_is_feasible(space: SearchSpace, make: Make) -> None:
    known = measure(space, space.sample(40, seed=0), limit=0.5)
    found = propose(make(space), known, 8)
    assert (found.excess > 0).all()
    assert (np.diff(found.excess[:, 0]) >= 0).all()
    assert found.excess.max() < known.excess.min()


def test_unknown_constraints_are_taken_to_be_satisfied(space: SearchSpace, make: Make) -> None:
    known = measure(space, space.sample(30, seed=0))
    known.excess[:] = np.nan
    assert np.isnan(propose(make(space), known).excess).all()


def test_nothing_that_is_known_or_taken_is_proposed(small_space: SearchSpace, make: Make) -> None:
    rows = small_space.enumerate()
    known, pending, taken = measure(small_space, rows[:100]), rows[100:150], rows[150:200]
    found = propose(make(small_space), known, 100, pending, taken)
    assert keys(found.matrix) == keys(rows[200:])


@pytest.mark.parametrize("n_known", [3, 243], ids=["at the start", "with models"])
def test_an_exhausted_space_is_an_error(small_space: SearchSpace, make: Make, n_known: int) -> None:
    rows = small_space.enumerate()
    with pytest.raises(SearchSpaceExhaustedError, match="All 243 subnets"):
        propose(make(small_space), measure(small_space, rows[:n_known]), taken=rows[n_known:])


def test_the_same_seed_proposes_the_same(space: SearchSpace, make: Make) -> None:
    known = measure(space, space.sample(30, seed=0))
    first, second, other = (
        propose(make(space), known, seed=seed).matrix.tolist() for seed in (1, 1, 2)
    )
    assert first == second
    assert first != other


class TestPool:
    def test_all_of_it_is_proposed_and_nothing_else(self, space: SearchSpace, make: Make) -> None:
        pool = np.unique(space.sample(50, seed=3), axis=0)
        search = make(space, pool=pool)
        known = measure(space, pool[:0])
        for _ in range(5):
            found = propose(search, known, 12)
            known = measure(space, np.concatenate([known.matrix, found.matrix]))
        assert len(known.matrix) == len(pool)
        assert keys(known.matrix) == keys(pool)
        with pytest.raises(SearchSpaceExhaustedError, match="All 50 subnets of `pool`"):
            propose(search, known)

    def test_the_start_has_its_ends(self, space: SearchSpace, make: Make) -> None:
        pool = space.sample(50, seed=3)
        macs = CostPredictor("n_macs", space).predict
        found = propose(make(space, pool=pool), measure(space, pool[:0]), 10)
        ends = macs(pool).min(), macs(pool).max()
        assert tuple(macs(found.matrix[:2])) == ends

    def test_the_best_come_early(self, space: SearchSpace, make: Make) -> None:
        pool = space.sample(300, seed=3)
        values = measure(space, pool).values
        good = keys(pool[~(values[:, None] > values).all(axis=2).any(axis=1)])
        search, known = make(space, pool=pool), measure(space, pool[:0])
        while len(known.matrix) < 80:
            found = propose(search, known, 20)
            known = measure(space, np.concatenate([known.matrix, found.matrix]))
        assert len(keys(known.matrix) & good) > 0.8 * len(good)

    def test_it_must_not_be_empty(self, space: SearchSpace, make: Make) -> None:
        with pytest.raises(InvalidArgumentError, match="`pool` must hold at least one subnet"):
            make(space, pool=space.sample(0, seed=0))

    def test_it_must_be_of_the_space(self, space: SearchSpace, make: Make) -> None:
        with pytest.raises(InvalidSubnetError, match="resolution"):
            make(space, pool=SearchSpace("ofa_mbv3_w1.0", resolution=96).sample(2, seed=0))


def test_violations_are_in_units_of_their_scales(
    space: SearchSpace, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Targets] = []
    fit = ModelsLearner.fit

    def note(self: ModelsLearner, targets: Targets, rng: np.random.Generator) -> LearnedModels:
        seen.append(targets)
        return fit(self, targets, rng)

    monkeypatch.setattr(ModelsLearner, "fit", note)
    matrix = space.sample(40, seed=0)
    known = measure(space, matrix)
    excess = np.stack([known.values[:, 1] - 1e9, np.full(40, 300.0)], axis=1)
    known = Evaluated.of(matrix, known.values, excess)
    search = make(space, constraints=(None, None), scales=np.array([5.0, 100.0]))
    found = propose(search, known, 4)
    (targets,) = seen
    np.testing.assert_allclose(targets.excess, excess / [5.0, 100.0])
    np.testing.assert_allclose(found.excess[:, 1], 300.0)  # back in the metric's unit


def test_the_prior_of_a_constraint_is_in_units_of_its_bound(
    make_study: Callable[..., SubnetStudy],
) -> None:
    problem = make_study(constraints={"latency_ms": 20.0, "top1": 50.0}).problem
    matrix = problem.space.sample(30, seed=0)
    for name, bound, sign in (("latency_ms", 20.0, 1), ("top1", 50.0, -1)):
        excess = sign * (problem.predict(name, matrix) - bound)
        np.testing.assert_allclose(ExcessPrior(problem, name)(matrix), excess / bound)


TABLE = SearchSpace.of_choices(
    {
        **{f"layer{i}": [1, 2, 4] for i in range(4)},
        "op": ["conv", "pool", "skip"],
        "kernel": [3, 5, 7],
    },
    active={"kernel": ("op", "conv")},
)


@pytest.mark.parametrize("listed", [True, False])
def test_a_plain_table_is_searched(
    make: Make, monkeypatch: pytest.MonkeyPatch, listed: bool
) -> None:
    if not listed:
        monkeypatch.setattr("optuna_ofa.samplers.models._search._LISTED", 1)

    def of(matrix: Matrix) -> Evaluated:
        layers = (2.0 ** matrix[:, :4]).sum(axis=1)
        costs = np.stack([-np.log(layers) - (matrix[:, 4] == 1) / 2, layers + matrix[:, 5]], axis=1)
        return Evaluated.of(matrix, costs, np.empty((len(matrix), 0)))

    search = make(TABLE, constraints=[], n_startup_trials=10)
    known = of(propose(search, of(TABLE.sample(0, seed=0)), 10).matrix)
    for seed in range(6):
        known = of(np.concatenate([known.matrix, propose(search, known, 5, seed=seed).matrix]))
    assert len(keys(known.matrix)) == 40
    costs = of(TABLE.enumerate()).values
    reference = costs.max(axis=0)
    share = moocore.hypervolume(known.values, ref=reference) / moocore.hypervolume(
        costs, ref=reference
    )
    assert share > 0.97


@pytest.mark.parametrize("n", [1, 2, 3, 10, 405, 1000])
def test_the_start_of_a_list_differs_by_seed_and_spans_all_sizes(make: Make, n: int) -> None:
    nothing = Evaluated.of(TABLE.sample(0, seed=0), np.empty((0, 2)), np.empty((0, 0)))
    size = TABLE.n_subnets
    starts = [
        propose(make(TABLE, constraints=[], n_startup_trials=n), nothing, n, seed=seed).matrix
        for seed in range(3)
    ]
    assert [len(keys(start)) for start in starts] == [min(n, size)] * 3
    ends = TABLE.to_matrix([TABLE.smallest(), TABLE.largest()])
    assert all((start[:2, :4] == ends[: min(n, 2), :4]).all() for start in starts)
    assert (keys(starts[0]) == keys(starts[1])) == (n in (1, 2) or n >= size)
