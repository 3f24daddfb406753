"""Search spaces: how many subnets, which ones, and restrictions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from optuna_ofa.exceptions import InvalidArgumentError, InvalidSubnetError
from optuna_ofa.space import SearchSpace, Subnet, families, get_family, subnet_layers, subnet_of

FAMILIES = [
    *(family.name for family in families()),
    "efficientnet_lite0",
    "mobilenet_v3_large",
    "efficientnet_b0",
]

SMALL_SPACES = {
    "depths": SearchSpace("ofa_mbv3_w1.0", resolution=[192, 224]).restrict(
        kernel=3, expand=6, depth=[2, 4]
    ),
    "one free stage": SearchSpace("ofa_mbv3_w1.2", resolution=224).restrict(
        kernel=[3, 5],
        expand=4,
        parameters={f"stage{s}.depth": 2 for s in range(2, 6)}
        | {f"stage{s}.block{b}.kernel": 3 for s in range(2, 6) for b in range(1, 5)},
    ),
    "fixed depth": SearchSpace("ofa_proxyless_w1.3", resolution=[128, 224]).restrict(
        kernel=3,
        depth=2,
        parameters={f"stage{s}.block{b}.expand": 3 for s in range(1, 6) for b in range(1, 5)},
    ),
    "resnet": SearchSpace("ofa_resnet50", resolution=224).restrict(
        expand=0.25,
        width=[0, 2],
        parameters={
            "stage1.depth": [0, 2],
            "stage2.depth": 0,
            "stage3.depth": 1,
            "stage1.block4.expand": 0.25,
        },
    ),
}


def enumerated(space: SearchSpace) -> Iterator[Subnet]:
    """Every combination of choices, which has the same subnet many times."""
    choices = [space.choices[gene.name] for gene in space.genes]
    return (subnet_of(space.family, row) for row in itertools.product(*choices))


@pytest.mark.parametrize("name", SMALL_SPACES)
def test_count_equals_enumeration(name: str) -> None:
    space = SMALL_SPACES[name]
    assert space.n_subnets == len(set(enumerated(space)))


@pytest.mark.parametrize("name", SMALL_SPACES)
def test_every_subnet_is_listed_once(name: str) -> None:
    space = SMALL_SPACES[name]
    listed = space.from_matrix(space.enumerate())
    assert len(listed) == space.n_subnets
    assert set(listed) == set(enumerated(space))


def test_a_space_too_large_to_list_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"at most a million .* but has 61472869924050"):
        SearchSpace("ofa_resnet50").enumerate()


def test_absent_blocks_are_not_counted() -> None:
    space = SearchSpace("ofa_mbv3_w1.0", resolution=224).restrict(kernel=3, expand=3, depth=[2])
    free = {f"stage1.block{b}.kernel": [3, 5, 7] for b in range(1, 5)}
    wide = SearchSpace("ofa_mbv3_w1.0", resolution=224).restrict(
        expand=3,
        depth=2,
        parameters={
            gene.name: 3 for gene in space.genes if gene.kind == "kernel" and gene.name not in free
        },
    )
    assert (space.n_subnets, wide.n_subnets) == (1, 3**2)
    assert len(set(enumerated(wide))) == 3**2


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("ofa_mbv3_w1.0", 25 * (9**2 + 9**3 + 9**4) ** 5),
        ("ofa_mbv3_w1.2", 17 * (9**2 + 9**3 + 9**4) ** 5),
        ("ofa_proxyless_w1.3", 25 * (9**2 + 9**3 + 9**4) ** 5 * 9),
        ("ofa_resnet50", 25 * 3**6 * 2 * (9 + 27 + 81) ** 3 * (81 + 243 + 729)),
    ],
)
def test_exact_counts_of_the_families(family: str, expected: int) -> None:
    assert SearchSpace(family).n_subnets == expected


@pytest.mark.parametrize("family", FAMILIES)
def test_smallest_and_largest_belong_to_the_space(family: str) -> None:
    space = SearchSpace(family)
    smallest, largest = space.smallest(), space.largest()
    assert smallest in space
    assert largest in space
    assert len(subnet_layers(smallest)) < len(subnet_layers(largest))


def test_smallest_of_a_restricted_space() -> None:
    space = SearchSpace("ofa_mbv3_w1.0").restrict(resolution=[192, 224], depth=[3, 4], kernel=5)
    assert str(space.smallest()).startswith("ofa_mbv3_w1.0@192 | k5e3 k5e3 k5e3 | k5e3")


def test_resolutions_replace_those_of_the_family() -> None:
    space = SearchSpace("ofa_mbv3_w1.2", resolution=[224, 112, 260, 112])
    assert space.resolutions == space.choices["resolution"] == (112, 224, 260)


def test_no_resolution_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"`resolution` must be .* got \[\]"):
        SearchSpace("ofa_mbv3_w1.2", resolution=[])


@pytest.mark.parametrize("resolution", [0, [224, 100.5], [-4]], ids=str)
def test_bad_resolutions_are_refused(resolution: Any) -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"`resolution(\[\d\])?` must be .*of at least 1"
    ):
        SearchSpace("ofa_mbv3_w1.2", resolution=resolution)


def test_unknown_family_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="`family` must be one of"):
        SearchSpace("ofa_vgg")


def test_a_restriction_leaves_the_space_as_it_was() -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    before = dict(space.choices)
    space.restrict(kernel=3, resolution=224)
    assert space.choices == before


def test_choices_cannot_be_changed_from_outside() -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    space.choices["resolution"] = (1,)  # type: ignore[index]
    assert len(space.resolutions) == 25


@pytest.mark.parametrize(
    ("restriction", "parameter", "kept"),
    [
        ({"resolution": 224}, "resolution", (224,)),
        ({"depth": [3, 4]}, "stage3.depth", (3, 4)),
        ({"kernel": {7, 3}}, "stage5.block4.kernel", (3, 7)),
        ({"expand": (k for k in (4, 6))}, "stage5.block4.expand", (4, 6)),
        ({"parameters": {"stage2.depth": 2}}, "stage2.depth", (2,)),
        ({"depth": [2, 3], "parameters": {"stage2.depth": 2}}, "stage2.depth", (2,)),
    ],
    ids=["resolution", "depth", "set", "generator", "parameter", "both"],
)
def test_what_a_restriction_keeps(
    restriction: dict[str, Any], parameter: str, kept: tuple[int, ...]
) -> None:
    assert SearchSpace("ofa_mbv3_w1.0").restrict(**restriction).choices[parameter] == kept


def test_ratios_are_restricted_as_published() -> None:
    space = SearchSpace("ofa_resnet50").restrict(expand=[0.2, 0.35], width=2)
    assert space.choices["stage1.block1.expand"] == (20, 35)
    assert space.choices["stem.mid_width"] == (2,)


def test_a_parameter_alone_is_restricted() -> None:
    space = SearchSpace("ofa_mbv3_w1.0").restrict(parameters={"stage2.depth": 2})
    assert space.choices["stage1.depth"] == (2, 3, 4)


@pytest.mark.parametrize(
    ("family", "restriction", "match"),
    [
        ("ofa_mbv3_w1.0", {"kernel": [3, 9]}, r"`kernel` must be among \[3, 5, 7\], but got \[3"),
        ("ofa_mbv3_w1.0", {"kernel": 4.9}, r"`kernel` must be a whole number .* got 4\.9"),
        ("ofa_mbv3_w1.0", {"depth": []}, r"`depth` must be among \[2, 3, 4\], but got \[\]"),
        ("ofa_mbv3_w1.0", {"resolution": 260}, r"`resolution` must be among .* but got \[260\]"),
        ("ofa_mbv3_w1.0", {"width": 1}, "`width` must be None, because the family has no elastic"),
        ("ofa_resnet50", {"kernel": 3}, "`kernel` must be None, because .* but got 3"),
        ("ofa_resnet50", {"expand": 0.3}, r"`expand` must be among \[0\.2, 0\.25, 0\.35\]"),
        ("ofa_resnet50", {"depth": 1}, r"no choice for 'stem\.depth', which offers \[0, 2\]"),
        ("ofa_mbv3_w1.0", {"parameters": {"d": 2}}, "`parameters` must have names .* got 'd'"),
        ("ofa_mbv3_w1.0", {"parameters": {"stage2.depth": 5}}, r"`stage2\.depth` must be among"),
    ],
    ids=["value", "near", "none", "size", "width", "kernel", "ratio", "stem", "name", "param"],
)
def test_impossible_restrictions_are_refused(
    family: str, restriction: dict[str, Any], match: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=match):
        SearchSpace(family).restrict(**restriction)


def test_what_was_excluded_does_not_come_back() -> None:
    space = SearchSpace("ofa_mbv3_w1.0").restrict(kernel=[3, 5])
    with pytest.raises(InvalidArgumentError, match=r"`kernel` must be among \[3, 5\]"):
        space.restrict(kernel=7)


def test_contains_subnets() -> None:
    space = SearchSpace("ofa_mbv3_w1.0").restrict(kernel=[3, 5])
    assert space.largest() in space
    assert SearchSpace("ofa_mbv3_w1.0").largest() not in space
    assert SearchSpace("ofa_mbv3_w1.2").smallest() not in space
    assert "ofa_mbv3_w1.0" not in space


def test_contains_spaces() -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    assert space.restrict(kernel=3) in space
    assert space not in space.restrict(kernel=3)
    assert SearchSpace("ofa_mbv3_w1.2") not in space


def test_equal_spaces() -> None:
    one = SearchSpace("ofa_mbv3_w1.0").restrict(kernel=3).restrict(depth=2)
    other = SearchSpace("ofa_mbv3_w1.0").restrict(depth=2, kernel=3)
    assert one == other
    assert hash(one) == hash(other)
    assert one != SearchSpace("ofa_mbv3_w1.0")
    assert SearchSpace("ofa_mbv3_w1.0") != SearchSpace("ofa_mbv3_w1.2")


def test_a_changed_family_is_another_space() -> None:
    family = replace(get_family("ofa_mbv3_w1.0"), name="own")
    assert SearchSpace(replace(family, bn_eps=1e-3)) != SearchSpace(family)


def test_text_has_the_family_and_the_count() -> None:
    assert repr(SearchSpace("ofa_mbv3_w1.0")) == "SearchSpace(ofa_mbv3_w1.0, 5.44e+20 subnets)"


def test_subnet_is_the_largest_by_default() -> None:
    space = SearchSpace("ofa_resnet50")
    assert space.subnet() == space.largest()


@pytest.mark.parametrize(
    ("family", "arguments", "expected"),
    [
        ("ofa_mbv3_w1.0", {"depth": 2}, {"depth": (2,) * 5}),
        ("ofa_proxyless_w1.3", {"depth": 2}, {"depth": (2, 2, 2, 2, 2, 1)}),
        ("ofa_resnet50", {"width": 1}, {"width": (1,) * 6}),
        ("ofa_mbv3_w1.0", {"kernel": [5] * 20}, {"kernel": (5,) * 20}),
        ("ofa_mbv3_w1.0", {"resolution": 128}, {"resolution": 128}),
    ],
    ids=["depth", "fixed depth", "width", "list", "resolution"],
)
def test_subnet_takes_one_number_for_all(
    family: str, arguments: dict[str, Any], expected: dict[str, Any]
) -> None:
    subnet = SearchSpace(family).subnet(**arguments)
    assert {name: getattr(subnet, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("family", "arguments"),
    [("ofa_resnet50", {"kernel": 3}), ("ofa_mbv3_w1.0", {"width": 1})],
    ids=["kernel", "width"],
)
def test_subnet_refuses_what_is_not_elastic(family: str, arguments: dict[str, int]) -> None:
    with pytest.raises(InvalidSubnetError, match="must be None, because the family has no elastic"):
        SearchSpace(family).subnet(**arguments)
