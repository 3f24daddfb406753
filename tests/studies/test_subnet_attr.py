"""Subnets as attributes of trials, a batch at a time: the same as one at a time."""

from __future__ import annotations

import pytest

from optuna_ofa import SearchSpace, families
from optuna_ofa.studies._subnet_attr import subnet_dicts, subnet_rows


@pytest.fixture(params=families(), ids=lambda family: family.name)
def space(request: pytest.FixtureRequest) -> SearchSpace:
    return SearchSpace(request.param)


def test_dicts_are_those_of_the_subnets(space: SearchSpace) -> None:
    rows = space.sample(50, seed=0)
    expected = [subnet.to_dict() for subnet in space.from_matrix(rows)]
    assert subnet_dicts(space.family, rows) == expected


def test_rows_are_read_back(space: SearchSpace) -> None:
    rows = space.sample(50, seed=0)
    assert subnet_rows(space.family, subnet_dicts(space.family, rows)).tolist() == rows.tolist()


def test_no_rows(space: SearchSpace) -> None:
    assert subnet_dicts(space.family, space.sample(0)) == []
    assert subnet_rows(space.family, []).shape == (0, len(space.genes))
