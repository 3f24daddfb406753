"""The table of a family in JSON, its hash, and differences between tables."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from optuna_ofa.exceptions import (
    FamilyMismatchError,
    FormatError,
    InvalidArgumentError,
    InvalidSubnetError,
)
from optuna_ofa.space import (
    Family,
    SearchSpace,
    Subnet,
    family_differences,
    family_from_json,
    get_family,
    known_families,
    mobilenet_v3_small_images,
    require_family,
)
from optuna_ofa.supernet import Supernet

OWN = mobilenet_v3_small_images("own")


def changed_stage(**changes: Any) -> Family:
    first, second, *rest = OWN.stages
    return replace(OWN, stages=(first, replace(second, **changes), *rest))


@pytest.mark.parametrize("family", [*known_families(), OWN], ids=lambda family: family.name)
def test_a_table_is_read_back_from_json(family: Family) -> None:
    table = json.loads(json.dumps(family.to_dict()))
    read = family_from_json(table)
    assert read == family == Family.from_dict(table)
    assert read.fingerprint == family.fingerprint


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (changed_stage(stride=1), "stride of stage 2: 2 in the file, 1 in the family"),
        (changed_stage(act="relu6"), "act of stage 2: h_swish in the file, relu6 in the family"),
        (
            changed_stage(out_channels=(40,)),
            "out_channels of stage 2: 32 in the file, 40 in the family",
        ),
        (
            changed_stage(depths=(2, 3)),
            "depths of stage 2: (2, 3, 4) in the file, (2, 3) in the family",
        ),
        (replace(OWN, bn_eps=1e-3), "bn_eps: 1e-05 in the file, 0.001 in the family"),
        (replace(OWN, divisor=4), "divisor: the default in the file, 4 in the family"),
        (replace(OWN, kernels=(3, 5)), "kernels: (3, 5, 7) in the file, (3, 5) in the family"),
        (
            replace(OWN, head=replace(OWN.head, n_classes=7)),
            "n_classes of the head: 10 in the file, 7 in the family",
        ),
        (replace(OWN, in_channels=1), "in_channels: 3 in the file, 1 in the family"),
        (replace(OWN, stem=replace(OWN.stem, stride=2)), "stride of the stem: 1 in the file, 2"),
    ],
    ids=lambda value: value.split(":")[0] if isinstance(value, str) else "",
)
def test_difference_of_a_change(other: Family, difference: str) -> None:
    assert family_differences(OWN, other).startswith(difference)
    assert other.fingerprint != OWN.fingerprint
    with pytest.raises(FamilyMismatchError, match="`path` must be of the family own as it is"):
        require_family(OWN, other, "path", "x.json")


def test_few_of_many_differences_are_named() -> None:
    text = family_differences(OWN, get_family("ofa_resnet50"))
    assert text.startswith("name: own in the file, ofa_resnet50 in the family; architecture: ")
    assert text.count(";") == 6
    assert text.endswith("more")


def test_missing_stages_are_differences() -> None:
    found = family_differences(OWN, replace(OWN, stages=OWN.stages[:2]))
    assert found.startswith("number of stages: 3 in the file, 2 in the family")
    assert "stride of stage 3: 1 in the file, none in the family" in found


def test_equal_tables_have_one_hash_whatever_their_names_and_spelling() -> None:
    other = replace(OWN, name="other", aliases=("a",), kernels=(7, 5, 3), expands=(3.0, 4.0, 6.0))
    assert other.fingerprint == OWN.fingerprint
    assert replace(OWN, aliases=("a",)) == OWN
    require_family(replace(OWN, aliases=("a",)), OWN, "path", "x.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernels": [2]}, r"`family` of x.json must be the table .* `kernels` must be odd"),
        ({"colour": "red"}, r"`family` of x.json must be the table of a family, but: .*colour"),
        ({"stem": None}, r"`family` of x.json must be the table of a family"),
    ],
    ids=["rule", "unknown", "type"],
)
def test_a_damaged_table_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        family_from_json({**OWN.to_dict(), **change}, "x.json")


@pytest.mark.parametrize(
    "table",
    ["own", None, [], {}, 7, dict.fromkeys(get_family("ofa_resnet50").to_dict(), "ofa_resnet50")],
    ids=lambda table: repr(table)[:20],
)
def test_no_table_is_refused(table: Any) -> None:
    with pytest.raises(FormatError, match="`family` of the table must be the table of a family"):
        family_from_json(table)


def test_a_published_name_on_another_table_is_refused_with_the_difference() -> None:
    table = {**get_family("ofa_mbv3_w1.2").to_dict(), "bn_eps": 0.1}
    with pytest.raises(FamilyMismatchError, match=r"bn_eps: 0\.1 in x\.json, 1e-05 in"):
        family_from_json(table, "x.json")


def test_a_saved_family_is_found_by_its_file(tmp_path: Path) -> None:
    OWN.save(tmp_path / "own.json")
    assert get_family(tmp_path / "own.json") == get_family(str(tmp_path / "own.json")) == OWN
    assert SearchSpace(str(tmp_path / "own.json")) == SearchSpace(OWN)


@pytest.mark.parametrize(
    ("content", "message"),
    [("{}", "holds none"), ("[", "must be JSON, but"), ('{"family": "own"}', "is 'own'")],
    ids=["empty", "damaged", "name"],
)
def test_a_file_without_a_family_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(FormatError, match=message):
        get_family(tmp_path / "x.json")


def test_a_subnet_of_another_table_is_refused_with_the_difference() -> None:
    subnet = SearchSpace(OWN).smallest()
    message = "one of another own: stride of stage 2: 2 there, 1 in the expected own"
    with pytest.raises(InvalidSubnetError, match=message):
        SearchSpace(changed_stage(stride=1)).to_matrix([subnet])
    with pytest.raises(InvalidSubnetError, match=message):
        Supernet(changed_stage(stride=1)).activate(subnet)
    with pytest.raises(FamilyMismatchError, match="stride of stage 2: 2 in the subnet, 1 in the"):
        Subnet.from_json(subnet.to_json(), changed_stage(stride=1))


def test_a_subnet_of_ones_own_family_is_read_from_its_json() -> None:
    subnet = SearchSpace(OWN).largest()
    assert Subnet.from_json(subnet.to_json()) == subnet
    assert subnet.to_dict(by_name=True)["family"] == "own"
    assert Subnet.from_dict(subnet.to_dict(by_name=True), OWN) == subnet
    with pytest.raises(InvalidArgumentError, match="`family` must be given for a subnet of 'own'"):
        Subnet.from_dict(subnet.to_dict(by_name=True))


def test_optional_fields_with_their_default_are_not_in_the_table() -> None:
    assert "divisor" not in OWN.to_dict()
    own = replace(OWN, divisor=4)
    assert own.to_dict()["divisor"] == 4
    assert own.fingerprint != OWN.fingerprint
    assert family_from_json(json.loads(json.dumps(own.to_dict()))) == own != OWN


def test_a_table_that_names_a_default_is_the_same_family() -> None:
    assert family_from_json({**OWN.to_dict(), "divisor": 8}) == OWN
