"""Subnets as values."""

from __future__ import annotations

import json
import pickle
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from optuna_ofa.exceptions import FamilyMismatchError, FormatError, InvalidSubnetError
from optuna_ofa.space import SearchSpace, Subnet, families, genotype_of, get_family, subnet_of

FAMILIES = [
    *(family.name for family in families()),
    "resnet20_cifar10",
    "efficientnet_lite0",
    "mobilenet_v3_large",
    "efficientnet_b0",
]
MBV3 = get_family("ofa_mbv3_w1.0")
RESNET = get_family("ofa_resnet50")


def mbv3(**changes: Any) -> Subnet:
    arguments: dict[str, Any] = {
        "resolution": 224,
        "depth": (2,) * 5,
        "kernel": (3,) * 20,
        "expand": (4,) * 20,
    }
    return Subnet(MBV3, **(arguments | changes))


def resnet(**changes: Any) -> Subnet:
    arguments: dict[str, Any] = {
        "resolution": 224,
        "depth": (0,) * 5,
        "expand": (0.25,) * 18,
        "width": (1,) * 6,
    }
    return Subnet(RESNET, **(arguments | changes))


def random_subnets(family: str, n: int = 30) -> list[Subnet]:
    space = SearchSpace(family)
    return space.from_matrix(space.sample(n, seed=3))


def test_entries_of_absent_blocks_are_zero() -> None:
    assert mbv3().kernel == (3, 3, 0, 0) * 5
    assert resnet().expand[:4] == (0.25, 0.25, 0, 0)


def test_subnets_that_differ_in_absent_blocks_are_equal() -> None:
    one, other = mbv3(), mbv3(kernel=(3, 3, 7, 5) * 5)
    assert one == other
    assert len({one, other}) == 1


@pytest.mark.parametrize(
    "changes",
    [{"resolution": 192}, {"depth": (2, 2, 2, 2, 3)}, {"kernel": (5,) * 20}, {"expand": (6,) * 20}],
    ids=lambda changes: next(iter(changes)),
)
def test_subnets_that_differ_in_a_block_are_not_equal(changes: dict[str, Any]) -> None:
    assert mbv3() != mbv3(**changes)


def test_subnets_of_two_families_are_not_equal() -> None:
    assert replace(mbv3(), family=get_family("ofa_mbv3_w1.2")) != mbv3()


def test_active_blocks() -> None:
    assert mbv3(depth=(2, 3, 4, 2, 3)).active == (
        *(True, True, False, False),
        *(True, True, True, False),
        *(True, True, True, True),
        *(True, True, False, False),
        *(True, True, True, False),
    )


def test_stage_depths_have_the_base_depth_and_not_the_stem() -> None:
    assert resnet(depth=(2, 0, 1, 2, 0)).stage_depths == (2, 3, 6, 2)


def test_ratios_become_the_familys_own_numbers() -> None:
    assert resnet(expand=(0.1 + 0.1,) * 18).expand[0] == 0.2
    assert type(mbv3(kernel=(3.0,) * 20).kernel[0]) is int


@pytest.mark.parametrize("resolution", [1, 260], ids=str)
def test_resolutions_outside_of_the_family_are_allowed(resolution: int) -> None:
    assert mbv3(resolution=resolution).resolution == resolution


@pytest.mark.parametrize("resolution", [0, -224, 224.5, "224", None, True, float("nan")], ids=str)
def test_bad_resolution_is_refused(resolution: Any) -> None:
    with pytest.raises(InvalidSubnetError, match="`resolution` must be a positive integer"):
        mbv3(resolution=resolution)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"depth": (2, 2, 5, 2, 2)}, r"`depth\[2\]` must be one of \(2, 3, 4\), but got 5"),
        ({"depth": (2, 2, 2, 2)}, r"`depth` must have 5 entries, but got 4: \(2, 2, 2, 2\)"),
        ({"kernel": (3, 9) * 10}, r"`kernel\[1\]` must be one of \(3, 5, 7\), but got 9"),
        ({"kernel": ()}, "`kernel` must have 20 entries, but got 0"),
        ({"expand": (4, 4, 4, 4, "6") * 4}, r"`expand\[4\]` .* but got '6'"),
        ({"width": (0,) * 6}, "`width` must have 0 entries, but got 6"),
    ],
    ids=["depth", "depths", "kernel", "no kernels", "text", "width"],
)
def test_bad_entries_are_refused(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(InvalidSubnetError, match=match):
        mbv3(**changes)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"depth": (1, 0, 0, 0, 0)}, r"`depth\[0\]` must be one of \(0, 2\), but got 1"),
        ({"kernel": (3,) * 18}, "`kernel` must have 0 entries, but got 18"),
        ({"width": (0, 0, 0, 0, 0, 3)}, r"`width\[5\]` must be one of \(0, 1, 2\), but got 3"),
    ],
    ids=["stem", "kernel", "width"],
)
def test_bad_entries_of_resnet_are_refused(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(InvalidSubnetError, match=match):
        resnet(**changes)


def test_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'resolution'"):
        mbv3().resolution = 192  # type: ignore[misc]


@pytest.mark.parametrize("family", FAMILIES)
def test_json_round_trip(family: str) -> None:
    for subnet in random_subnets(family):
        assert Subnet.from_json(subnet.to_json()) == subnet


@pytest.mark.parametrize("family", FAMILIES)
def test_pickle_round_trip(family: str) -> None:
    subnet = random_subnets(family, 1)[0]
    assert pickle.loads(pickle.dumps(subnet)) == subnet


def test_json_of_a_family_of_ones_own() -> None:
    subnet = replace(mbv3(), family=replace(MBV3, name="own"))
    assert Subnet.from_json(subnet.to_json(), subnet.family) == subnet


def test_json_names_the_family_and_the_genes() -> None:
    assert list(json.loads(mbv3().to_json())) == [
        "family",
        "resolution",
        "depth",
        "kernel",
        "expand",
    ]


@pytest.mark.parametrize(
    ("change", "match"),
    [({"ks": [3] * 20}, r"\['ks'\] are unknown"), ({"depth": None}, r"\['depth'\] are missing")],
    ids=["unknown", "missing"],
)
def test_dicts_with_other_keys_are_refused(change: dict[str, Any], match: str) -> None:
    data = {key: value for key, value in (mbv3().to_dict() | change).items() if value is not None}
    with pytest.raises(InvalidSubnetError, match=match):
        Subnet.from_dict(data)


def test_a_dict_is_not_taken_for_another_family() -> None:
    with pytest.raises(FamilyMismatchError, match=r"must be of ofa_mbv3_w1\.2, but got .*w1\.0"):
        Subnet.from_dict(mbv3().to_dict(), get_family("ofa_mbv3_w1.2"))


@pytest.mark.parametrize("text", ["{", "[]"], ids=["no JSON", "no object"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(FormatError, match="`text` must be"):
        Subnet.from_json(text)


@pytest.mark.parametrize("family", FAMILIES)
def test_genotype_round_trip(family: str) -> None:
    for subnet in random_subnets(family):
        assert subnet_of(subnet.family, genotype_of(subnet)) == subnet


def test_genotype_has_percents() -> None:
    assert genotype_of(resnet())[6:10] == (25, 25, 0, 0)


def test_text_lists_the_blocks() -> None:
    assert str(mbv3(depth=(2, 2, 2, 2, 3))) == (
        "ofa_mbv3_w1.0@224 | k3e4 k3e4 | k3e4 k3e4 | k3e4 k3e4 | k3e4 k3e4 | k3e4 k3e4 k3e4"
    )
    assert str(resnet(depth=(2, 0, 0, 0, 0))).startswith("ofa_resnet50@224 | stem d2 | e0.25 e0.25")
    assert str(resnet()).endswith(" | w111111")
