"""The order in which objectives are named is that of a trial's values, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import Trial

import optuna_ofa
from optuna_ofa import SubnetStudy
from optuna_ofa.predictors import Predictor
from optuna_ofa.samplers import EvolutionarySampler
from optuna_ofa.space import SearchSpace

Make = Callable[..., SubnetStudy]
Order = tuple[str, ...]
TWO = ("top1", "latency_ms")
COSTS = ("latency_ms", "n_params")
THREE = ("top1", "latency_ms", "n_macs")
FOUR = ("top1", "latency_ms", "n_macs", "peak_memory_mb")
ORDERS = [
    pytest.param(one, order, id="-".join(order))
    for one in (TWO, COSTS, THREE, FOUR)
    for order in [*permutations(one)][1:][::3]
]


def values_by_name(study: SubnetStudy) -> list[tuple[Any, ...]]:
    """Return the subnet of each trial and its values, in the order of names."""
    names = study.problem.objectives
    return [
        (t.params, sorted(zip(names, t.values, strict=True)))
        for t in study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    ]


def measured(study: SubnetStudy, subnet: optuna_ofa.Subnet) -> list[float]:
    """Return the predictions, each a little off, in the order of the objectives."""
    values = study.problem.evaluate(study.space.to_matrix([subnet])).values[0]
    return [
        v * (0.98 if m == "top1" else 1.1)
        for m, v in zip(study.problem.objectives, values, strict=True)
    ]


@pytest.mark.parametrize(("one", "other"), ORDERS)
def test_a_search_takes_the_same_course(make_study: Make, one: Order, other: Order) -> None:
    first, second = make_study(objectives=one), make_study(objectives=other)
    for study in (first, second):
        study.search(300)
    assert values_by_name(second) == values_by_name(first)
    assert [p.trial_number for p in second.front()] == [p.trial_number for p in first.front()]


@pytest.mark.parametrize("learn", [False, True], ids=["as-predicted", "learning"])
@pytest.mark.parametrize("other", [*permutations(THREE)][1::2], ids="-".join)
def test_the_same_is_asked_for(
    space: SearchSpace, predictor: Callable[..., Predictor], other: Order, learn: bool
) -> None:
    courses = []
    for objectives in (THREE, other):
        study = optuna_ofa.study(
            space,
            hardware=predictor("latency_ms", space),
            accuracy=predictor("top1", space),
            objectives=objectives,
            constraints={"latency_ms": 30.0},
            learn=learn,
            seed=1,
        )
        study.search(100)
        for _ in range(3):
            asked = study.ask_batch(6)
            study.tell_batch(asked, [measured(study, one.subnet) for one in asked])
        courses.append(values_by_name(study))
    assert courses[1] == courses[0]


@pytest.mark.parametrize("learn", [False, True], ids=["nsga-ii", "learning"])
def test_optimize_takes_the_same_course(
    space: SearchSpace, predictor: Callable[..., Predictor], learn: bool
) -> None:
    courses = []
    for objectives in (TWO, TWO[::-1]):
        study = optuna_ofa.study(
            space,
            hardware=predictor("latency_ms", space),
            accuracy=predictor("top1", space),
            objectives=objectives,
            learn=learn,
            seed=1,
        )

        def objective(trial: Trial, study: SubnetStudy = study) -> tuple[float, ...]:
            return tuple(measured(study, study.space.suggest(trial)))

        study.optimize(objective, n_trials=30 if learn else 120)
        courses.append(values_by_name(study))
    assert courses[1] == courses[0]


def test_directions_alone_tell_the_cost_in_a_plain_study(space: SearchSpace) -> None:
    courses = []
    for names in (("n_params", "n_macs"), ("n_macs", "n_params")):

        def objective(trial: Trial, names: Order = names) -> tuple[float, ...]:
            subnet = space.suggest(trial)
            of = {
                "n_params": len(subnet.to_json()) + subnet.resolution,
                "n_macs": sum(subnet.kernel),
            }
            return tuple(float(of[name]) for name in names)

        study = optuna.create_study(
            directions=["maximize" if name == "n_params" else "minimize" for name in names],
            sampler=EvolutionarySampler(space, seed=0),
        )
        study.optimize(objective, n_trials=150)
        courses.append([trial.params for trial in study.trials])
    assert courses[1] == courses[0]


@pytest.mark.parametrize("other", [*permutations(THREE)], ids="-".join)
def test_picks_are_the_same(make_study: Make, other: Order) -> None:
    picked = []
    for objectives in (THREE, other):
        study = make_study(objectives=objectives)
        study.search(200)
        front = study.front()
        middle = float(np.median([p.values["latency_ms"] for p in front]))
        accurate = float(np.median([p.values["top1"] for p in front]))
        points = [
            front.best(),
            front.best(latency_ms=middle),
            front.best(top1=accurate),
            front.best(latency_ms=middle, top1=front.best(latency_ms=middle).values["top1"] - 0.1),
            front.knee(),
            *front.modes({"full": 100.0, "low": middle}).values(),
        ]
        picked.append([point.subnet for point in points])
        verified = study.verify({"top1": lambda _: 70.0}, points=5)
        picked[-1] += [point.subnet for point in verified.points]
    assert picked[1] == picked[0]
