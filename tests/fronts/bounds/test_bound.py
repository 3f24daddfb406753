"""Bounds of fronts: none is exceeded, and on small spaces they are the true fronts."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import optuna_ofa
from optuna_ofa import AccuracyPredictor, SearchSpace, SubnetStudy
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import FrontBound
from optuna_ofa.predictors import CostPredictor, NetworkLatencyPredictor, Predictor
from optuna_ofa.predictors.accuracy._ridge import RidgeModel
from optuna_ofa.space import Matrix

FAMILY = "ofa_mbv3_w1.0"
SPACE = SearchSpace(FAMILY)
TOP1, LATENCY = "top1", "latency_ms"


def _only(space: SearchSpace, free: dict[str, list[float] | None]) -> SearchSpace:
    """The space in which only some genes have more than their smallest choice; None keeps all."""
    genes = {gene.name: gene for gene in space.genes}
    kept = {name: [genes[name].value(c[0])] for name, c in space.choices.items()}
    for name, values in free.items():
        kept[name] = (
            [genes[name].value(c) for c in space.choices[name]] if values is None else values
        )
    return space.restrict(parameters=kept)


# a few thousand subnets each
SMALL = {
    "depths and resolutions": _only(
        SPACE, {"resolution": None, **{f"stage{s}.depth": None for s in range(1, 6)}}
    ),
    "kernels": _only(
        SPACE, {"resolution": [160, 224], **{f"stage{s}.block1.kernel": None for s in range(1, 6)}}
    ),
    "expand ratios": _only(
        SPACE,
        {
            "resolution": [160, 192],
            **{f"stage{s}.block{b}.expand": [3, 6] for s in range(3, 6) for b in (1, 2)},
            "stage1.block1.expand": None,
        },
    ),
    "absent blocks": _only(
        SPACE,
        {
            "resolution": [208, 224],
            **{f"stage{s}.depth": None for s in (4, 5)},
            **{f"stage{s}.block{b}.expand": [3, 6] for s in (4, 5) for b in (1, 3, 4)},
        },
    ),
}


def _linear(space: SearchSpace | str = FAMILY, **arguments: Any) -> SubnetStudy:
    return optuna_ofa.study(space, **{"accuracy": "linear", "seed": 0, **arguments})


def _small(name: str) -> SearchSpace:
    return SMALL[name]


def _true(
    study: SubnetStudy, matrix: Matrix, cost: str = LATENCY, value: str = TOP1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Costs and values of feasible subnets."""
    found = study.problem.evaluate(matrix)
    names = study.problem.objectives
    kept = found.feasible
    return found.values[kept, names.index(cost)], found.values[kept, names.index(value)]


def _best(costs: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest value of all points that cost no more, for each point."""
    order = np.lexsort((-values, costs))
    best = np.empty(len(costs))
    best[order] = np.maximum.accumulate(values[order])
    return best


@pytest.mark.parametrize("name", SMALL)
def test_a_bound_is_the_true_front_within_the_tolerance(name: str) -> None:
    study = _linear(_small(name))
    costs, values = _true(study, study.space.enumerate())
    bound = study.bound(tolerance=0.005)
    above = bound.at(costs) - _best(costs, values)
    assert above.min() >= 0
    assert above.max() <= 0.005 + 1e-6


@pytest.mark.parametrize("name", SMALL)
def test_additive_objectives_have_the_exact_front(name: str) -> None:
    study = optuna_ofa.study(_small(name), objectives=["n_params", "n_macs"], seed=0)
    costs, values = _true(study, study.space.enumerate(), "n_macs", "n_params")
    bound = study.bound()
    least = -_best(costs, -values)
    assert (bound.at(costs) <= least).all()
    assert bound.at(costs) == pytest.approx(least, rel=1e-6)


def test_no_random_subnet_exceeds_the_bound() -> None:
    study = _linear()
    bound = study.bound()
    for uniform_over in ("choices", "subnets", "sizes"):
        rows = study.space.sample(10_000, seed=1, uniform_over=uniform_over)
        costs, values = _true(study, rows)
        assert (values <= bound.at(costs)).all()
    assert bound.gap(bound.front) < 0.05


def test_the_subnets_of_the_proof_are_on_the_bound_and_predicted() -> None:
    study = _linear()
    bound = study.bound()
    assert len(bound.front) > 500
    assert {point.kind for point in bound.front} == {"predicted"}
    costs, values = _true(study, study.space.to_matrix([p.subnet for p in bound.front]))
    assert values == pytest.approx([p.values[TOP1] for p in bound.front], abs=1e-12)
    assert (values <= bound.at(costs)).all()


def test_the_order_of_objectives_does_not_matter() -> None:
    space = _small("absent blocks")
    one = _linear(space).bound()
    other = _linear(space, objectives=[LATENCY, TOP1]).bound()
    assert np.array_equal(one.costs, other.costs)
    assert np.array_equal(one.values, other.values)


def test_limits_of_objectives_end_a_bound() -> None:
    space = _small("absent blocks")
    free = _linear(space).bound()
    middle = float(free.costs[len(free.costs) // 2])
    least = float(free.values[len(free.values) // 4])
    study = _linear(space, constraints={LATENCY: middle, TOP1: least})
    bound = study.bound()
    costs, values = _true(study, space.enumerate())
    assert (values <= bound.at(costs)).all()
    assert bound.at(1e6) == pytest.approx(free.at(middle), abs=0.01)
    assert bound.at(float(free.costs[0])) == -np.inf


def test_a_limit_that_is_no_objective_is_named_as_unused() -> None:
    study = _linear(_small("absent blocks"), constraints={"n_macs": 3e8})
    bound = study.bound()
    assert bound.unused == "n_macs ≤ 300,000,000"
    assert "does not use the limit n_macs" in str(bound)
    assert all(
        study.problem.evaluate(study.space.to_matrix([p.subnet])).feasible for p in bound.front
    )


def test_a_family_with_elastic_widths() -> None:
    """A block of ResNet50D depends on the widths of its stage and of the one before."""
    free = {f"stage{s}.width": None for s in range(1, 5)}
    blocks = {"stage2.depth": None, "stage2.block1.expand": None, "stem.depth": None}
    whole = SearchSpace("ofa_resnet50", resolution=[160, 224])
    space = _only(whole, {"resolution": None, "stem.width": None, **free, **blocks})
    rows = whole.sample(300, seed=0)
    macs = CostPredictor("n_macs", whole).predict(rows)
    params = CostPredictor("n_params", whole).predict(rows)
    top1 = 72 + 2 * np.log(macs / 1e9) + 2 * np.log(params / 2e7)
    accuracy = AccuracyPredictor.fit(whole, rows, top1, model="ridge")
    study = optuna_ofa.study(space, accuracy=accuracy, objectives=[TOP1, "n_macs"], seed=0)
    costs, values = _true(study, space.enumerate(), "n_macs")
    bound = study.bound(tolerance=0.005)
    above = bound.at(costs) - _best(costs, values)
    assert above.min() >= 0
    assert above.max() < 0.02


def test_a_fitted_latency_is_a_sum_too() -> None:
    space = _small("absent blocks")
    base = _linear(space).problem.predictors[LATENCY]
    rows = space.sample(300, seed=0)
    noise = 1 + 0.01 * np.random.default_rng(0).standard_normal(300)
    for features in ("physical", "onehot"):
        fitted = NetworkLatencyPredictor.fit(
            space, rows, base.predict(rows) * noise, features=features
        )
        study = _linear(space, hardware=fitted)
        costs, values = _true(study, space.enumerate())
        above = study.bound().at(costs) - _best(costs, values)
        assert above.min() >= 0
        assert above.max() < 0.011


# ------------------------------------------------------------------ gaps


def test_gaps_of_the_front_of_a_study() -> None:
    study = _linear(_small("absent blocks"))
    before = study.bound()
    assert len(before.studied) == 0
    assert before.gap() == np.inf
    study.search(60, progress=False)
    bound = study.bound()
    costs, values = _true(study, study.space.enumerate())
    front = np.array([[p.values[LATENCY], p.values[TOP1]] for p in study.front()])
    limits = costs[costs >= front[:, 0].min()]
    best = np.array([front[front[:, 0] <= limit, 1].max() for limit in limits])
    true = _best(costs, values)[costs >= front[:, 0].min()]
    assert bound.gap() == pytest.approx((true - best).max(), abs=0.011)
    at = float(np.median(costs))
    one = values[costs <= at].max() - front[front[:, 0] <= at, 1].max()
    assert bound.gap(costs=at) == pytest.approx(one, abs=0.011)
    assert bound.gap(costs=[at]) == bound.gap(costs=at)


def test_the_bound_below_the_cheapest_subnet_is_infinitely_bad() -> None:
    bound = _linear(_small("absent blocks")).bound()
    assert bound.at(1.0) == -np.inf
    assert bound.at([1.0, 100.0]).shape == (2,)
    assert bound.at(np.ones((1, 3))).shape == (1, 3)
    assert bound.gap(costs=1.0) == 0


def test_a_bound_in_words() -> None:
    study = _linear(_small("absent blocks"))
    study.search(60, progress=False)
    text = str(study.bound())
    assert text.startswith("No subnet has a predicted top1 that is more than 0.0")
    assert "points better than" in text
    assert "not for measured values" in text


@pytest.mark.parametrize("wrong", ["ten", [1.0, None], float("nan")])
def test_limits_must_be_numbers(wrong: object) -> None:
    bound = _linear(_small("absent blocks")).bound()
    with pytest.raises(InvalidArgumentError, match=r"`costs` must be a number or an array"):
        bound.at(wrong)


def test_a_front_must_have_the_same_objectives() -> None:
    bound = _linear(_small("absent blocks")).bound()
    other = optuna_ofa.study(_small("absent blocks"), objectives=["n_params", "n_macs"], seed=0)
    other.search(10, progress=False)
    with pytest.raises(InvalidArgumentError, match="`front` must have the objectives"):
        bound.gap(other.front())


# ------------------------------------------------------------------ no bound


def _of_latency(matrix: Matrix) -> NDArray[np.float64]:
    return np.full(len(matrix), 5.0)


class _Scaled(optuna_ofa.LatencyPredictor):
    """It has the terms of a table, but predicts something else."""

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        return super().predict(matrix) * 1.001


def _convex(space: SearchSpace) -> Predictor:
    found = copy.deepcopy(_linear(space).problem.predictors[TOP1])
    assert isinstance(found, AccuracyPredictor)
    assert isinstance(found.model, RidgeModel)
    found.model._weights[found.model._features.groups == 1] = [0, 0, 5, 0]
    return found


def _table(space: SearchSpace) -> optuna_ofa.LatencyTable:
    predictor = _linear(space).problem.predictors[LATENCY]
    assert isinstance(predictor, optuna_ofa.LatencyPredictor)
    return predictor.table


REASONS: dict[str, tuple[Callable[[SearchSpace], SubnetStudy], str]] = {
    "process": (lambda s: optuna_ofa.study(s, seed=0), 'those of top1 are not.*accuracy="linear"'),
    "function": (
        lambda s: _linear(s, hardware=_of_latency),
        "those of latency_ms are not: a FunctionPredictor",
    ),
    "peak": (
        lambda s: _linear(s, objectives=[TOP1, "peak_memory_mb"]),
        "those of peak_memory_mb are not.*largest value of all layers",
    ),
    "three": (lambda s: _linear(s, objectives=[TOP1, LATENCY, "n_macs"]), "has 3 objectives"),
    "one": (lambda s: _linear(s, objectives=[TOP1]), "has 1 objectives"),
    "caution": (lambda s: _linear(s, caution=1), "those of top1 are not.*standard deviations"),
    "convex": (
        lambda s: _linear(s, accuracy=_convex(s)),
        "top1 is not concave in the multiply-adds",
    ),
    "scaled": (
        lambda s: _linear(s, hardware=_Scaled(table=_table(s), space=s)),
        "terms of latency_ms are not what its _Scaled predicts",
    ),
}


@pytest.mark.parametrize("name", REASONS)
def test_the_reason_why_there_is_no_bound(name: str) -> None:
    make, reason = REASONS[name]
    with pytest.raises(InvalidArgumentError, match=f"`study` must have two objectives.*{reason}"):
        make(_small("absent blocks")).bound()


def test_a_bound_is_a_value() -> None:
    bound = _linear(_small("absent blocks")).bound()
    assert isinstance(bound, FrontBound)
    with pytest.raises(AttributeError):
        bound.costs = bound.costs  # type: ignore[misc]
