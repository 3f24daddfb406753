"""Features of rows for models of few measurements."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_ofa.samplers.models._features import RowFeatures
from optuna_ofa.space import SearchSpace

FAMILIES = [
    "ofa_mbv3_w1.0",
    "ofa_proxyless_w1.3",
    "ofa_resnet50d",
    "efficientnet_lite0",
    "mobilenet_v3_large",
    "efficientnet_b0",
]
TABLE = SearchSpace.of_choices(
    {"n": [1, 2, 3], "m": [1, 2, 3], "op": ["conv", "pool", "skip"], "k": [3, 5]},
    active={"k": ("op", "conv")},
)


@pytest.mark.parametrize("family", FAMILIES)
def test_different_subnets_have_different_features(family: str) -> None:
    space = SearchSpace(family)
    rows = np.unique(space.sample(300, seed=0), axis=0)
    features = RowFeatures(space)(rows)
    assert np.isfinite(features).all()
    assert len(np.unique(features.round(9), axis=0)) == len(rows)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_feature_has_a_group_and_each_group_a_scale(family: str) -> None:
    features = RowFeatures(SearchSpace(family))
    assert features(SearchSpace(family).sample(3, seed=0)).shape == (3, len(features.groups))
    assert sorted(set(features.groups.tolist())) == [*range(len(features.scales))]


def test_groups_of_a_restricted_space_have_their_own_scales() -> None:
    space = SearchSpace("ofa_mbv3_w1.0", resolution=224).restrict(depth=4, kernel=3)
    features = RowFeatures(space)
    assert sorted(set(features.groups.tolist())) == [*range(len(features.scales))]
    assert features(space.sample(3, seed=0)).shape == (3, len(features.groups))


def test_a_plain_table_has_steps_of_numbers_choices_of_words_and_sums() -> None:
    features = RowFeatures(TABLE)
    rows = TABLE.from_params(
        [{"n": 1, "m": 3, "op": "conv", "k": 5}, {"n": 2, "m": 1, "op": "pool"}]
    )
    steps = [[0, 0, 1, 1, 1, 0, 0, 1, 1], [1, 0, 0, 0, 0, 1, 0, 0, 0]]
    found = features(rows)
    np.testing.assert_array_equal(found[:, :9], steps)
    np.testing.assert_allclose(
        found[:, 9:], [[1, 1 / np.sqrt(3), np.sqrt(2)], [0.5, 1 / np.sqrt(3), 0]]
    )
    # n and m have the same values, and so the same hyper-parameters
    assert features.groups.tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3]


def test_a_space_of_one_row_has_none() -> None:
    space = SearchSpace.of_choices({"n": [1], "m": [2]})
    features = RowFeatures(space)
    assert features(space.enumerate()).shape == (1, len(features.groups))
