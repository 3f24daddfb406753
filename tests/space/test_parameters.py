"""Search spaces as parameters of Optuna."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FixedTrial

from optuna_ofa.exceptions import InvalidSubnetError
from optuna_ofa.space import SearchSpace, Subnet, families

FAMILIES = [
    *(family.name for family in families()),
    "resnet20_cifar10",
    "efficientnet_lite0",
    "mobilenet_v3_large",
    "efficientnet_b0",
]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_fixed_trial_suggests_its_subnet(family: str) -> None:
    space = SearchSpace(family)
    matrix = space.sample(20, seed=0)
    suggested = [space.suggest(FixedTrial(params)) for params in space.to_params(matrix)]
    assert suggested == space.from_matrix(matrix)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_study_knows_every_parameter(family: str) -> None:
    space = SearchSpace(family)
    space = space.restrict(resolution=space.resolutions[-2:])
    subnets: list[Subnet] = []

    def objective(trial: optuna.Trial) -> float:
        subnets.append(space.suggest(trial))
        return float(sum(subnets[-1].depth))

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=5)
    assert all(trial.distributions == space.distributions for trial in study.trials)
    matrix = space.from_params(trial.params for trial in study.trials)
    assert space.from_matrix(matrix) == subnets


def test_enqueued_subnets_are_suggested() -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    study = optuna.create_study()
    study.enqueue_trial(space.to_params(space.to_matrix([space.smallest()]))[0])
    assert space.suggest(study.ask()) == space.smallest()


@pytest.mark.parametrize("family", FAMILIES)
def test_parameters_round_trip(family: str) -> None:
    space = SearchSpace(family)
    matrix = space.sample(100, seed=1)
    np.testing.assert_array_equal(space.from_params(space.to_params(matrix)), matrix)


def test_parameters_have_published_values() -> None:
    space = SearchSpace("ofa_resnet50")
    params = space.to_params(space.to_matrix([space.largest()]))[0]
    assert list(params) == list(space.distributions) == list(space.choices)
    assert params["stage1.block1.expand"] == 0.35
    assert params["stage4.width"] == 2


def test_absent_blocks_take_the_first_choice_of_the_space() -> None:
    space = SearchSpace("ofa_mbv3_w1.0").restrict(kernel=[5, 7])
    params = space.to_params(space.to_matrix([space.smallest()]))[0]
    assert params["stage1.block4.kernel"] == 5


def test_no_parameters() -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    assert space.from_params([]).shape == (0, 46)
    assert space.to_params(np.empty((0, 46), dtype=np.int16)) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_distributions_are_the_choices(family: str) -> None:
    space = SearchSpace(family)
    for gene in space.genes:
        values = space.distributions[gene.name].choices
        assert [gene.integer(v) for v in values] == list(space.choices[gene.name])  # type: ignore[arg-type]


def good() -> dict[str, Any]:
    space = SearchSpace("ofa_mbv3_w1.0")
    return space.to_params(space.to_matrix([space.largest()]))[0]


def test_a_missing_parameter_is_named() -> None:
    params = good()
    del params["stage3.depth"]
    with pytest.raises(InvalidSubnetError, match=r"`params\[1\]` .*'stage3\.depth'.* got None"):
        SearchSpace("ofa_mbv3_w1.0").from_params([good(), params])


def test_a_value_outside_of_the_space_is_refused() -> None:
    with pytest.raises(InvalidSubnetError, match=r"'stage1\.block1\.kernel' among \(3, 5\)"):
        SearchSpace("ofa_mbv3_w1.0").restrict(kernel=[3, 5]).from_params([good()])


@pytest.mark.parametrize("value", [9, 5.4, "5", None], ids=str)
def test_a_value_of_no_choice_is_refused(value: Any) -> None:
    params = good() | {"stage3.block1.kernel": value}
    with pytest.raises(InvalidSubnetError, match=r"'stage3\.block1\.kernel' among \[3, 5, 7"):
        SearchSpace("ofa_mbv3_w1.0").from_params([params])
