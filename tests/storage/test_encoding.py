"""Subnets as attributes of trials, a batch at a time: the same as one at a time."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from optuna_ofa import SearchSpace, families, get_family
from optuna_ofa.storage._encoding import (
    compact_json,
    rows_of_texts,
    subnet_dicts,
    subnet_rows,
    subnet_texts,
)


@pytest.fixture(
    params=[*families(), get_family("efficientnet_lite0"), get_family("mobilenet_v3_large")],
    ids=lambda family: family.name,
)
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
    assert subnet_texts(space.family, space.sample(0)) == []
    assert rows_of_texts(space.family, []).shape == (0, len(space.genes))


def test_texts_are_the_json_of_the_subnets(space: SearchSpace) -> None:
    rows = space.sample(50, seed=0)
    expected = [compact_json(subnet.to_dict()) for subnet in space.from_matrix(rows)]
    assert subnet_texts(space.family, rows) == expected
    assert [compact_json(d) for d in subnet_dicts(space.family, rows)] == expected


def test_texts_are_read_back(space: SearchSpace) -> None:
    rows = space.sample(50, seed=0)
    assert rows_of_texts(space.family, subnet_texts(space.family, rows)).tolist() == rows.tolist()


def test_texts_with_spaces_are_read(space: SearchSpace) -> None:
    rows = space.sample(50, seed=0)
    subnets = subnet_dicts(space.family, rows)
    texts = [compact_json(subnets[0]), *(json.dumps(subnet) for subnet in subnets[1:])]
    assert rows_of_texts(space.family, texts).tolist() == rows.tolist()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text.replace(':"', ':"own_', 1), id="family"),
        pytest.param(lambda text: text.replace(":", " :"), id="spaces"),
        pytest.param(lambda text: text.replace("[", "[-", 1), id="sign"),
        pytest.param(lambda text: text.replace("]", ",1]", 1), id="another-entry"),
        pytest.param(lambda text: "[]", id="no-subnet"),
    ],
)
def test_other_texts_are_refused(space: SearchSpace, change: Callable[[str], str]) -> None:
    texts = subnet_texts(space.family, space.sample(3, seed=0))
    with pytest.raises(ValueError, match="`texts` must all be of subnets of"):
        rows_of_texts(space.family, [*texts, change(texts[0])])


def test_another_fixed_depth_is_refused() -> None:
    space = SearchSpace("ofa_proxyless_w1.3")
    (text,) = subnet_texts(space.family, space.sample(1, seed=0))
    with pytest.raises(ValueError, match="must have 1 as number 6"):
        rows_of_texts(space.family, [text.replace(',1],"kernel', ',2],"kernel')])
