"""Subnets as other programs write them."""

from __future__ import annotations

import copy
import json
from types import ModuleType
from typing import Any

import pytest

from optuna_ofa.exceptions import FormatError, InvalidArgumentError, InvalidSubnetError
from optuna_ofa.space import SearchSpace, Subnet, families, subnet_from_dialect, subnet_to_dialect

FAMILIES = [
    *(family.name for family in families()),
    "efficientnet_lite0",
    "mobilenet_v3_large",
    "efficientnet_b0",
]
DIALECTS: list[Any] = ["ofa_tutorial", "ofa", "nsganetv2"]


def random_subnets(family: str, n: int = 20) -> list[Subnet]:
    space = SearchSpace(family)
    return space.from_matrix(space.sample(n, seed=0))


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_round_trip_through_json(family: str, dialect: Any) -> None:
    subnets = random_subnets(family)
    texts = [json.dumps(subnet_to_dialect(subnet, dialect)) for subnet in subnets]
    assert [subnet_from_dialect(json.loads(text), family) for text in texts] == subnets


@pytest.mark.parametrize(
    ("dialect", "keys"),
    [
        ("ofa_tutorial", ["wid", "ks", "e", "d", "r"]),
        ("ofa", ["ks", "e", "d", "image_size"]),
        ("nsganetv2", ["ks", "e", "d", "r"]),
    ],
)
def test_keys_of_each_dialect(dialect: Any, keys: list[str]) -> None:
    assert list(subnet_to_dialect(random_subnets("ofa_mbv3_w1.0")[0], dialect)) == keys


@pytest.mark.parametrize(("dialect", "r"), [("ofa_tutorial", [192]), ("nsganetv2", 192)])
def test_resolution_is_a_list_in_the_tutorial_only(dialect: Any, r: Any) -> None:
    subnet = SearchSpace("ofa_mbv3_w1.2").subnet(resolution=192)
    assert subnet_to_dialect(subnet, dialect)["r"] == r


def test_absent_blocks_have_the_smallest_choice() -> None:
    subnet = SearchSpace("ofa_mbv3_w1.0").subnet(depth=2)
    assert subnet_to_dialect(subnet, "ofa")["ks"] == [7, 7, 3, 3] * 5
    assert subnet_to_dialect(subnet, "ofa")["e"] == [6, 6, 3, 3] * 5


def test_nsganetv2_lists_active_blocks_only() -> None:
    subnet = SearchSpace("ofa_mbv3_w1.0").subnet(depth=(2, 3, 4, 2, 3))
    spec = subnet_to_dialect(subnet, "nsganetv2")
    assert (len(spec["ks"]), len(spec["e"])) == (14, 14)


def test_resnet_has_widths_and_no_kernels() -> None:
    subnet = SearchSpace("ofa_resnet50").subnet(resolution=192, depth=(0, 0, 1, 2, 0), width=1)
    spec = subnet_to_dialect(subnet, "ofa")
    assert spec == {
        "e": [0.35, 0.35, 0.2, 0.2, 0.35, 0.35, 0.35, 0.2] + [0.35] * 6 + [0.35, 0.35, 0.2, 0.2],
        "d": [0, 0, 1, 2, 0],
        "w": [1] * 6,
        "image_size": 192,
    }


@pytest.mark.parametrize("family", [family.name for family in families()])
def test_ofa_accepts_what_is_written(ofa: ModuleType, family: str) -> None:
    from ofa.nas.accuracy_predictor.arch_encoder import MobileNetArchEncoder, ResNetArchEncoder

    class Proxyless(MobileNetArchEncoder):  # type: ignore[misc]
        SPACE_TYPE = "mbv2"

    subnet = SearchSpace(family).subnet(resolution=224, depth=None if "resnet" in family else 2)
    encoders = {"resnet": ResNetArchEncoder, "proxyless": Proxyless, "mbv3": MobileNetArchEncoder}
    encoder = next(e for word, e in encoders.items() if word in family)()
    decoded = encoder.feature2arch(encoder.arch2feature(subnet_to_dialect(subnet, "ofa")))
    assert subnet_from_dialect(decoded, family) == subnet


def test_text_of_a_dict_is_read() -> None:
    subnet = random_subnets("ofa_mbv3_w1.0")[0]
    text = str(subnet_to_dialect(subnet, "ofa_tutorial"))
    assert subnet_from_dialect(text, subnet.family) == subnet


@pytest.mark.parametrize("wid", [None, 0], ids=str)
@pytest.mark.parametrize("write", [json.dumps, str], ids=["JSON", "Python"])
def test_text_with_the_index_of_the_width_is_read(write: Any, wid: int | None) -> None:
    subnet = random_subnets("ofa_mbv3_w1.0")[0]
    spec = {"wid": wid, **subnet_to_dialect(subnet, "ofa")}
    assert subnet_from_dialect(write(spec), "ofa_mbv3_w1.0") == subnet


def test_the_given_dict_is_not_changed() -> None:
    spec = subnet_to_dialect(SearchSpace("ofa_mbv3_w1.0").subnet(depth=2), "nsganetv2")
    before = copy.deepcopy(spec)
    subnet_from_dialect(spec, "ofa_mbv3_w1.0")
    assert spec == before


@pytest.mark.parametrize("last", [[], [1], [4]], ids=["left out", "one", "ignored as ofa does"])
def test_fixed_depth_of_the_last_proxyless_stage(last: list[int]) -> None:
    spec = {"ks": [3] * 21, "e": [4] * 21, "d": [2, 3, 4, 2, 3, *last], "image_size": 160}
    assert subnet_from_dialect(spec, "ofa_proxyless_w1.3").depth == (2, 3, 4, 2, 3, 1)


@pytest.mark.parametrize("filler", [0, None, 99], ids=str)
def test_entries_of_absent_blocks_do_not_matter(filler: int | None) -> None:
    blocks = {"ks": [3, 3, filler, filler] * 5, "e": [4, 6, filler, filler] * 5}
    spec = blocks | {"d": [2] * 5, "r": 224}
    assert subnet_from_dialect(spec, "ofa_mbv3_w1.0").kernel == (3, 3, 0, 0) * 5


GOOD = {"ks": [3] * 20, "e": [4] * 20, "d": [2] * 5, "r": 224}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"image_size": 224}, "one of r and image_size"),
        ({"stem": 1}, "but got ks, e, d, r, stem"),
        ({"w": [0] * 6}, "but got ks, e, d, r, w"),
        ({"wid": 1.2}, r"`spec\['wid'\]` must be None or 0, but got 1.2"),
        ({7: 1}, "but got ks, e, d, r, 7"),
        ({"ks": [3] * 12}, r"`spec\['ks'\]` must have 20 entries, or 10 .* but got 12"),
        ({"e": 4}, r"`spec\['e'\]` must be a list, but got 4"),
        ({"ks": "[3 3]"}, r"`spec\['ks'\]` must be a list, but got '\[3 3\]'"),
        ({"d": [2] * 4}, r"`spec\['d'\]` must have 5 entries for ofa_mbv3_w1.0, but got"),
        ({"r": [192, 224]}, "must have one resolution"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_another_format_is_refused(change: dict[str, Any], match: str) -> None:
    with pytest.raises(FormatError, match=match):
        subnet_from_dialect(GOOD | change, "ofa_mbv3_w1.0")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"ks": [9] * 20}, r"`kernel\[0\]` must be one of \(3, 5, 7\), but got 9"),
        ({"e": [4] * 10 + [None] * 10}, r"`expand\[12\]` must be one of .* but got None"),
        ({"d": [2, 2, 5, 2, 2]}, r"`depth\[2\]` must be one of \(2, 3, 4\), but got 5"),
        ({"d": ["2"] * 5}, r"`depth\[0\]` must be one of .* but got '2'"),
        ({"r": None}, "`resolution` must be a positive integer, .* but got None"),
    ],
    ids=["kernel", "expand", "depth", "text", "resolution"],
)
def test_a_value_of_no_choice_is_refused(change: dict[str, Any], match: str) -> None:
    with pytest.raises(InvalidSubnetError, match=match):
        subnet_from_dialect(GOOD | change, "ofa_mbv3_w1.0")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("ks=3", "in JSON or Python, but got 'ks=3'"),
        ("[3, 5]", "must be a dict"),
        ("(" * 10_000, "must be a dict"),
        ("", "must be a dict"),
    ],
    ids=["no literal", "no dict", "deep", "empty"],
)
def test_other_text_is_refused(text: str, match: str) -> None:
    with pytest.raises(FormatError, match=match):
        subnet_from_dialect(text, "ofa_mbv3_w1.0")


def test_another_familys_description_is_refused() -> None:
    spec = subnet_to_dialect(random_subnets("ofa_resnet50")[0], "ofa")
    with pytest.raises(FormatError, match="must have ks, e, d and one of r and image_size"):
        subnet_from_dialect(spec, "ofa_mbv3_w1.0")


def test_unknown_dialect_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"`dialect` must be .* but got 'dynas'"):
        subnet_to_dialect(random_subnets("ofa_mbv3_w1.0")[0], "dynas")  # type: ignore[arg-type]
