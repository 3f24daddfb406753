"""Reading configs of all ages."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from optuna_ofa.exceptions import FormatError
from optuna_ofa.space import SearchSpace, net_config, read_net_config, read_specialized

SUBNET = SearchSpace("ofa_proxyless_w1.3").smallest()


def aged(config: Any) -> Any:
    """The config as a released file has it: old names, channels of identities in lists."""
    if isinstance(config, list):
        return [aged(item) for item in config]
    if not isinstance(config, dict):
        return config
    old = {key: aged(value) for key, value in config.items() if key not in ("groups", "use_se")}
    if old.get("name") == "ResidualBlock":
        return {
            "name": "MobileInvertedResidualBlock",
            "mobile_inverted_conv": old["conv"],
            "shortcut": old["shortcut"],
        }
    if old.get("name") == "MBConvLayer":
        old["name"] = "MBInvertedConvLayer"
    if old.get("name") == "IdentityLayer":
        old |= {key: [old[key]] for key in ("in_channels", "out_channels")}
    return old


def test_old_names_become_new_ones() -> None:
    config = net_config(SUBNET)
    assert read_net_config(aged(config)) == read_net_config(config)


def test_normalising_twice_changes_nothing() -> None:
    config = read_net_config(net_config(SUBNET))
    assert read_net_config(config) == config


def test_the_given_dict_is_not_changed() -> None:
    config = aged(net_config(SUBNET))
    before = copy.deepcopy(config)
    read_net_config(config)
    assert config == before


def test_the_result_shares_nothing_with_the_given_dict() -> None:
    config = net_config(SUBNET)
    read_net_config(config)["blocks"][0]["conv"]["kernel_size"] = 5
    read_net_config(config)["bn"]["eps"] = 1
    assert config == net_config(SUBNET)


@pytest.mark.parametrize(("family", "eps"), [("ofa_mbv3_w1.0", 1e-5), ("ofa_proxyless_w1.3", 1e-3)])
def test_missing_batch_norm_is_that_of_the_architecture(family: str, eps: float) -> None:
    config = net_config(SearchSpace(family).smallest())
    del config["bn"]
    assert read_net_config(config)["bn"]["eps"] == eps


def test_zero_blocks_are_kept() -> None:
    config = net_config(SUBNET)
    config["blocks"][2]["conv"] = {"name": "ZeroLayer", "stride": 1}
    assert read_net_config(config)["blocks"][2]["conv"] == {"name": "ZeroLayer"}


def test_a_path_is_read(tmp_path: Path) -> None:
    path = tmp_path / "net.config"
    path.write_text(json.dumps(net_config(SUBNET)), encoding="utf-8")
    expected = read_net_config(net_config(SUBNET))
    assert [read_net_config(str(path)), read_net_config(path)] == [expected, expected]


def without(key: str) -> dict[str, Any]:
    config = net_config(SUBNET)
    del config[key]
    return config


@pytest.mark.parametrize(
    ("config", "match"),
    [
        ({"name": "VGG"}, "name is one of MobileNetV3, .*, ResNets, but got 'VGG'"),
        ({}, "but got None"),
        ({"name": ["ResNets"]}, r"but got \['ResNets'\]"),
        (net_config(SUBNET) | {"blocks": 3}, "`config` must have a list of blocks, but got 3"),
        (net_config(SUBNET) | {"blocks": [3]}, "layers with names, but got 3"),
        (net_config(SUBNET) | {"bn": 3}, "an object as bn, but got 3"),
        (without("classifier"), r"all keys of ProxylessNASNets, but \['classifier'\] are missing"),
        (net_config(SUBNET) | {"first_conv": {"name": "PoolLayer"}}, "but got 'PoolLayer'"),
        (
            net_config(SUBNET) | {"first_conv": {"name": "ConvLayer", "in_channels": [3, 4]}},
            r"`in_channels` of ConvLayer must be a whole number .* but is \[3, 4\]",
        ),
    ],
    ids=["architecture", "empty", "name", "blocks", "block", "bn", "key", "layer", "channels"],
)
def test_other_configs_are_refused(config: dict[str, Any], match: str) -> None:
    with pytest.raises(FormatError, match=match):
        read_net_config(config)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (b"name: MobileNetV3", "`config` must be JSON, but .*net.config is not"),
        (b"[1]", "`config` must hold a JSON object, but .*net.config holds list"),
        (b"", "must be JSON"),
        (b"\x80\x04\x95\xff", "must be a text file in UTF-8"),
        (b"[" * 100_000, "must be JSON"),
    ],
    ids=["yaml", "list", "empty", "binary", "deep"],
)
def test_other_files_are_refused(tmp_path: Path, text: bytes, match: str) -> None:
    path = tmp_path / "net.config"
    path.write_bytes(text)
    with pytest.raises(FormatError, match=match):
        read_net_config(path)


def test_specialized_folder(tmp_path: Path) -> None:
    (tmp_path / "net.config").write_text(json.dumps(net_config(SUBNET)), encoding="utf-8")
    (tmp_path / "run.config").write_text('{"image_size": 188}', encoding="utf-8")
    assert read_specialized(tmp_path) == (read_net_config(net_config(SUBNET)), 188)


def test_specialized_folder_without_image_size(tmp_path: Path) -> None:
    (tmp_path / "net.config").write_text(json.dumps(net_config(SUBNET)), encoding="utf-8")
    (tmp_path / "run.config").write_text("{}", encoding="utf-8")
    with pytest.raises(FormatError, match=r"`image_size` of .* from 1 to 8,192, but is None"):
        read_specialized(tmp_path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "net.config").write_text(json.dumps(net_config(SUBNET)), encoding="utf-8")
    with pytest.raises(FormatError, match=r"run\.config does not exist"):
        read_specialized(tmp_path)


def test_a_folder_is_its_net_config(tmp_path: Path) -> None:
    (tmp_path / "net.config").write_text(json.dumps(aged(net_config(SUBNET))), encoding="utf-8")
    assert read_net_config(tmp_path) == read_net_config(net_config(SUBNET))


def test_a_folder_without_a_config_names_one_that_has_it(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"`config` must be a net.config .* has none\.$"):
        read_net_config(tmp_path)
    for name in ("cpu_lat-10ms", "note10_lat-11ms"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "net.config").touch()
    with pytest.raises(FormatError, match=r"has none; name one .* such as 'cpu_lat-10ms'"):
        read_net_config(tmp_path)
