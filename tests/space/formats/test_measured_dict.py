"""Files of the ``ofa`` package's ``AccuracyDataset``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from optuna_ofa.exceptions import FormatError, ImplausibleValueWarning, InvalidSubnetError
from optuna_ofa.space import SearchSpace, Subnet, read_measured_subnets, subnet_to_dialect

FAMILY = "ofa_mbv3_w1.0"


def subnet_at(resolution: int) -> Subnet:
    return SearchSpace(FAMILY).subnet(resolution=resolution, depth=(2, 3, 4, 2, 3))


def spec_at(resolution: int | None, **more: Any) -> dict[str, Any]:
    spec = subnet_to_dialect(subnet_at(resolution or 224), "ofa") | more
    if resolution is None:
        del spec["image_size"]
    return spec


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=4), encoding="utf-8")
    return path


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A folder as ``AccuracyDataset`` leaves it before it merges its files."""
    write(tmp_path / "net_id.dict", [json.dumps(spec_at(None))])
    for size, top1 in ((224, 75.2), (96, 60.1), (160, 72.5)):
        write(tmp_path / "src" / f"{size}.dict", {json.dumps(spec_at(size)): top1})
    return tmp_path


def test_a_file_is_read(dataset: Path) -> None:
    measured = read_measured_subnets(dataset / "src" / "160.dict", FAMILY)
    assert (measured.subnets, measured.top1.tolist()) == ((subnet_at(160),), [72.5])
    assert (measured.n_macs.tolist(), measured.n_params.tolist()) == ([0], [0])


@pytest.mark.parametrize("below", [".", "src"])
def test_a_folder_has_all_sizes_in_their_order(dataset: Path, below: str) -> None:
    measured = read_measured_subnets(dataset / below, FAMILY)
    assert measured.subnets == (subnet_at(96), subnet_at(160), subnet_at(224))
    assert measured.top1.tolist() == [60.1, 72.5, 75.2]


def test_the_merged_file_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "acc.dict", {json.dumps(spec_at(r)): r / 3 for r in (224, 128)})
    for place in (path, tmp_path):
        assert read_measured_subnets(place, FAMILY).subnets == (subnet_at(224), subnet_at(128))


@pytest.mark.parametrize("write_key", [json.dumps, str], ids=["JSON", "Python"])
@pytest.mark.parametrize("wid", [None, 0], ids=str)
def test_keys_may_have_the_index_of_the_width(tmp_path: Path, write_key: Any, wid: Any) -> None:
    path = write(tmp_path / "224.dict", {write_key(spec_at(224, wid=wid)): 75.2})
    assert read_measured_subnets(path, FAMILY).subnets == (subnet_at(224),)


def test_the_size_may_be_in_the_name_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "192.dict", {json.dumps(spec_at(None)): 75.2})
    assert read_measured_subnets(path, FAMILY).subnets == (subnet_at(192),)


def test_a_file_of_python_is_read(tmp_path: Path) -> None:
    path = tmp_path / "224.dict"
    path.write_text(str({str(spec_at(224)): 75.2}), encoding="utf-8")
    assert read_measured_subnets(path, FAMILY).top1.tolist() == [75.2]


def test_fractions_are_warned_of(tmp_path: Path) -> None:
    path = write(tmp_path / "224.dict", {json.dumps(spec_at(224)): 0.752})
    with pytest.warns(ImplausibleValueWarning, match="none is above 0.752; multiply by 100"):
        read_measured_subnets(path, FAMILY)


KEY = json.dumps(spec_at(224))


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("net_id.dict", [KEY], r"must hold accuracies, but .* is a list of subnets; name the fol"),
        ("224.dict", 75.2, "`path` must be a JSON object of accuracies"),
        ("224.dict", {KEY: True}, "entry 0: the accuracy must be a finite number, but is True"),
        ("224.dict", {KEY: None}, "entry 0: the accuracy must be a finite number, but is None"),
        ("224.dict", {KEY: 7520}, "entry 0: the accuracy must be in percent, .* top1 7520"),
        ("224.dict", {"ks": [3]}, r"entry 0: the accuracy must be a finite number, but is \[3\]"),
        ("224.dict", {"0": 75.2}, "entry 0: `spec` must be a dict"),
        ("160.dict", {KEY: 75.2}, "entry 0: must be at 160 pixels, as its file, but is .*@224"),
        ("acc.dict", {json.dumps(spec_at(None)): 75.2}, "one of r and image_size"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, name: str, content: Any, match: str) -> None:
    with pytest.raises(FormatError, match=match):
        read_measured_subnets(write(tmp_path / name, content), FAMILY)


def test_a_subnet_of_another_family_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "224.dict", {KEY: 75.2, KEY.replace("7", "9"): 75.2})
    with pytest.raises(InvalidSubnetError, match=r"224\.dict, entry 1: `kernel\[0\]` must be"):
        read_measured_subnets(path, FAMILY)


@pytest.mark.parametrize("content", [b"", b"\x80\x04\x95\xff", b"{"], ids=["", "pickle", "cut"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "224.dict").write_bytes(content)
    with pytest.raises(FormatError, match=r"`path` must be .*224\.dict"):
        read_measured_subnets(tmp_path, FAMILY)


def test_a_folder_without_accuracies_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "net_id.dict", [])
    with pytest.raises(FormatError, match=r"src/<size>.dict or acc.dict, but .* has neither"):
        read_measured_subnets(tmp_path, FAMILY)
