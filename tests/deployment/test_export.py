"""Exported networks compute what the subnet computes, and say what they are."""

from __future__ import annotations

import copy
import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from optuna_ofa import SearchSpace, Subnet, Supernet, get_family
from optuna_ofa.deployment import KnownValue, compare_exported, export, load_exported, read_metadata
from optuna_ofa.evaluation import weights_hash
from optuna_ofa.exceptions import (
    FormatError,
    InvalidArgumentError,
    InvalidSubnetError,
    MissingDependencyError,
)
from optuna_ofa.space import Family

NEEDS = {
    "pytorch": "safetensors",
    "torch_export": "torch",
    "onnx": "onnx",
    "ofa": "torch",
    "executorch": "executorch",
}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def skip_without(format: str) -> None:
    pytest.importorskip(NEEDS[format], reason=f"{NEEDS[format]} is not installed")


@pytest.mark.parametrize("format", NEEDS)
def test_an_export_equals_the_recalibrated_subnet(
    supernet: Supernet,
    subnet: Subnet,
    calibration: Tensor,
    images: Tensor,
    expected: nn.Module,
    tmp_path: Path,
    format: str,
) -> None:
    skip_without(format)
    path = tmp_path / "net"
    export(supernet, subnet, path, format=format, calibration=calibration)
    found = compare_exported(path, expected, images, trust=format == "torch_export")
    assert found.n_images == 64
    assert found.max_difference < 1e-4
    logits = expected(images)
    first, second = logits.topk(2).values.T
    assert found.same_top1 >= float((first - second > 2e-4).float().mean()) > 0.9  # all but ties
    assert len(logits.argmax(1).unique()) > 1  # so that the same class means something
    assert logits.std(0).max() > 0.05


@pytest.mark.parametrize("format", ["pytorch", "torch_export", "onnx", "ofa"])
@pytest.mark.parametrize("extreme", ["smallest", "largest"])
def test_any_number_of_images(
    supernet: Supernet, calibration: Tensor, tmp_path: Path, format: str, extreme: str
) -> None:
    skip_without(format)
    subnet: Subnet = getattr(SearchSpace(supernet.family), extreme)()
    path = tmp_path / "net"
    made = export(supernet, subnet, path, format=format, calibration=calibration, batch=None)
    size = subnet.resolution
    assert made["input"]["shape"] == [None, 3, size, size]
    run = load_exported(path, trust=True)
    images = torch.randn(5, 3, size, size)
    logits = run(images)
    assert logits.shape == (5, 4)
    torch.testing.assert_close(run(images[:1]), logits[:1], atol=1e-4, rtol=0)


def test_a_damaged_program_of_executorch_does_not_end_the_process(
    supernet: Supernet, subnet: Subnet, tmp_path: Path, images: Tensor
) -> None:
    skip_without("executorch")
    path = tmp_path / "net.pte"
    made = export(supernet, subnet, path, format="executorch", calibration=None)
    assert load_exported(path)(images[:1]).shape == (1, 4)
    content = bytearray(path.read_bytes())
    content[8:4096:7] = bytes(len(content[8:4096:7]))
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    files = {"net.pte": {"bytes": len(content), "sha256": digest}}
    Path(f"{path}.json").write_text(json.dumps({**made, "files": files}))
    with pytest.raises(FormatError, match=r"net\.pte cannot be read: ExecuTorch ended with code"):
        load_exported(path)


@pytest.mark.parametrize("format", ["torch_export", "onnx"])
def test_a_fixed_number_of_images_is_kept_to(
    supernet: Supernet, subnet: Subnet, tmp_path: Path, format: str
) -> None:
    skip_without(format)
    path = tmp_path / "net"
    made = export(supernet, subnet, path, format=format, calibration=None, batch=3)
    assert made["input"]["shape"][0] == 3
    run = load_exported(path, trust=True)
    assert run(torch.zeros(3, 3, 16, 16)).shape == (3, 4)
    with pytest.raises(Exception, match=r"(?i)dimension|expected|guard"):
        run(torch.zeros(2, 3, 16, 16))


def test_the_supernet_stays_as_it_is(
    supernet: Supernet, subnet: Subnet, calibration: Tensor, tmp_path: Path
) -> None:
    active, before = supernet.active, weights_hash(supernet)
    export(supernet, subnet, tmp_path / "net", format="torch_export", calibration=calibration)
    assert supernet.training
    assert supernet.active == active
    assert weights_hash(supernet) == before


@pytest.mark.parametrize(
    "name", ["ofa_mbv3_fashion", "ofa_proxyless_w1.3", "ofa_resnet50", "resnet20_cifar10"]
)
def test_a_loaded_network_has_the_keys_of_the_extracted_one(tmp_path: Path, name: str) -> None:
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    space = SearchSpace(get_family(name))
    subnet, supernet = space.smallest(), Supernet(space.family)
    export(supernet, subnet, tmp_path / "net.safetensors", format="pytorch", calibration=None)
    net = load_exported(tmp_path / "net.safetensors")
    assert isinstance(net, nn.Module)
    assert not net.training
    torch.testing.assert_close(
        dict(net.state_dict()), dict(supernet.extract(subnet).state_dict()), atol=0, rtol=0
    )
    x = torch.randn(1, space.family.in_channels, 32, 32)
    torch.testing.assert_close(net(x), supernet.extract(subnet).eval()(x), atol=0, rtol=0)


def test_the_weights_are_read_by_safetensors_alone(
    supernet: Supernet, subnet: Subnet, calibration: Tensor, expected: nn.Module, tmp_path: Path
) -> None:
    safetensors = pytest.importorskip("safetensors.torch", reason="safetensors is not installed")
    export(supernet, subnet, tmp_path / "a", format="pytorch", calibration=calibration)
    torch.testing.assert_close(
        safetensors.load_file(tmp_path / "a"), dict(expected.state_dict()), atol=0, rtol=0
    )
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "a.json").stat().st_mode


@pytest.mark.parametrize("name", ["ofa_mbv3_fashion", "ofa_resnet50", "resnet50"])
def test_the_ofa_package_builds_the_network_from_its_folder(
    reference: ModuleType, tmp_path: Path, name: str
) -> None:
    space = SearchSpace(get_family(name))
    supernet, subnet = Supernet(space.family), space.smallest()
    x = torch.randn(8, space.family.in_channels, 64, 64)
    made = export(supernet, subnet, tmp_path / "net", format="ofa", calibration=x)
    assert sorted(made["files"]) == ["net/init", "net/net.config", "net/run.config"]
    networks = reference.import_reference(reference.STATIC_NETWORKS)
    config = json.loads((tmp_path / "net" / "net.config").read_text())
    theirs = networks.get_net_by_name(config["name"]).build_from_config(config)
    state = torch.load(tmp_path / "net" / "init", map_location="cpu")["state_dict"]
    theirs.load_state_dict(state)
    with torch.no_grad():
        ours, logits = load_exported(tmp_path / "net")(x), theirs.eval()(x)
    torch.testing.assert_close(ours, logits, atol=1e-5, rtol=1e-5)
    size = json.loads((tmp_path / "net" / "run.config").read_text())["image_size"]
    assert size == subnet.resolution


@pytest.mark.parametrize(
    ("name", "lack"),
    [
        ("resnet20_cifar10", "basic blocks"),
        ("efficientnet_lite0", "padding 'same'"),
        ("mobilenet_v2", "MobileNetV2 networks"),
        ("efficientnet_b0", "the activation 'silu'"),
    ],
)
def test_what_the_ofa_package_cannot_build_is_refused(tmp_path: Path, name: str, lack: str) -> None:
    space = SearchSpace(get_family(name))
    message = f"`format` must not be 'ofa' for a subnet of {name}, because .* has no {lack}"
    with pytest.raises(InvalidArgumentError, match=message):
        export(Supernet(name), space.smallest(), tmp_path / "a", format="ofa", calibration=None)
    assert list(tmp_path.iterdir()) == []


def test_pooling_and_middles_that_the_ofa_package_has_not_are_refused(tmp_path: Path) -> None:
    family = get_family("resnet50")
    own = [
        replace(family, name="own", stem=replace(family.stem, pool=False)),
        replace(family, name="own", divisor=4, expands=(0.2, 1)),
    ]
    for one, lack in zip(own, ("ResNets without max pooling", "bottlenecks whose"), strict=True):
        subnet = SearchSpace(one).smallest()
        with pytest.raises(InvalidArgumentError, match=f"has no {lack}"):
            export(Supernet(one), subnet, tmp_path / "a", format="ofa", calibration=None)


def test_a_plain_network_keeps_its_own_statistics(
    subnet: Subnet, images: Tensor, expected: nn.Module, tmp_path: Path
) -> None:
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    tuned = copy.deepcopy(expected).train()
    with torch.no_grad():
        for parameter in tuned.parameters():
            parameter.mul_(0.9)
    export(tuned, subnet, tmp_path / "net", format="pytorch", calibration=None)
    assert tuned.training
    found = compare_exported(tmp_path / "net", tuned.eval(), images)
    assert found.max_difference == 0
    assert compare_exported(tmp_path / "net", expected, images).max_difference > 0.01


class TestMetadata:
    def test_says_what_was_exported(
        self, supernet: Supernet, subnet: Subnet, calibration: Tensor, tmp_path: Path
    ) -> None:
        path = tmp_path / "net.pt2"
        figures = [
            KnownValue("top1", 76.5, "measured", std=0.4),
            KnownValue("latency_ms", 12.25, "predicted", device="phone", runtime="torch"),
        ]
        made = export(
            supernet, subnet, path, format="torch_export", calibration=calibration, figures=figures
        )
        assert made == read_metadata(path)
        assert json.loads((tmp_path / "net.pt2.json").read_text()) == made
        assert made["format"] == "torch_export"
        assert made["family"]["name"] == "tiny"
        assert Subnet.from_dict(made["subnet"], supernet.family) == subnet
        assert made["figures"] == [figure.to_dict() for figure in figures]
        assert made["figures"][1] == {
            "metric": "latency_ms",
            "value": 12.25,
            "kind": "predicted",
            "device": "phone",
            "std": None,
            "unit": "ms",
            "precision": "float32",
            "runtime": "torch",
            "resolution": None,
            "batch": None,
            "n_images": None,
            "extrapolated": None,
        }
        assert made["figures_of_others"] == []
        assert (made["precision"], made["runtimes"]) == ("float32", ["torch"])
        assert made["calibration"]["n_images"] == 40
        assert {"torch", "optuna-ofa"} <= set(made["versions"])
        content = path.read_bytes()
        assert made["files"] == {
            "net.pt2": {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        }
        assert sorted(p.name for p in tmp_path.iterdir()) == ["net.pt2", "net.pt2.json"]

    @pytest.mark.parametrize("format", ["onnx_int8", "ofa"])
    def test_float_values_are_none_of_an_int8_file(
        self, supernet: Supernet, subnet: Subnet, calibration: Tensor, tmp_path: Path, format: str
    ) -> None:
        if format == "onnx_int8":
            pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
        figures = [
            KnownValue("top1", 81.0, "measured", std=0.8),
            KnownValue("latency_ms", 0.33, "measured", runtime="onnxruntime"),
            KnownValue("n_macs", 12345, "predicted"),
        ]
        made = export(
            supernet,
            subnet,
            tmp_path / "net",
            format=format,
            calibration=calibration,
            figures=figures,
        )
        differs = {f["metric"]: f["differs_in"] for f in made["figures_of_others"]}
        of_file = [f["metric"] for f in made["figures"]]
        if format == "onnx_int8":
            assert of_file == ["n_macs"]
            assert differs == {"top1": ["precision"], "latency_ms": ["precision"]}
        else:
            assert of_file == ["top1", "n_macs"]
            assert differs == {"latency_ms": ["runtime"]}

    def test_figures_of_another_subnet_are_refused(
        self, supernet: Supernet, subnet: Subnet, tmp_path: Path
    ) -> None:
        other = SearchSpace(supernet.family).largest()
        figures = [KnownValue("top1", 81.0, "measured", subnet=other)]
        with pytest.raises(InvalidArgumentError, match="`figures` must be of the exported subnet"):
            export(
                supernet, subnet, tmp_path / "a", format="ofa", calibration=None, figures=figures
            )
        assert contents(tmp_path) == {}

    def test_another_file_is_not_taken_for_the_exported_one(
        self, supernet: Supernet, subnet: Subnet, tmp_path: Path
    ) -> None:
        export(supernet, subnet, tmp_path / "net", format="ofa", calibration=None)
        (tmp_path / "net" / "init").write_bytes(b"something else")
        with pytest.raises(FormatError, match=r"must have the SHA-256 .* but has"):
            load_exported(tmp_path / "net")

    @pytest.mark.parametrize("text", ["no JSON", "[]", '{"format": "onnx"}'])
    def test_that_is_none_is_refused(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "net.json").write_text(text)
        with pytest.raises(FormatError, match=r"must be .*net\.json|net\.json must be"):
            load_exported(tmp_path / "net")


class TestBadInput:
    def test_an_unknown_format(self, supernet: Supernet, subnet: Subnet, tmp_path: Path) -> None:
        expected = "`format` must be one of pytorch, .*, but got 'tflite'"
        with pytest.raises(InvalidArgumentError, match=expected):
            export(supernet, subnet, tmp_path / "a", format="tflite", calibration=None)

    @pytest.mark.parametrize("batch", [0, -1, 1.5, True])
    def test_no_number_of_images(
        self, supernet: Supernet, subnet: Subnet, tmp_path: Path, batch: Any
    ) -> None:
        with pytest.raises(InvalidArgumentError, match="`batch` must be a whole number"):
            export(supernet, subnet, tmp_path / "a", format="ofa", calibration=None, batch=batch)

    def test_any_number_where_it_must_be_fixed(
        self, supernet: Supernet, subnet: Subnet, tmp_path: Path
    ) -> None:
        with pytest.raises(InvalidArgumentError, match="`batch` must be a number for 'executorch'"):
            export(
                supernet, subnet, tmp_path / "a", format="executorch", calibration=None, batch=None
            )

    def test_a_network_of_another_subnet(self, supernet: Supernet, tmp_path: Path) -> None:
        space = SearchSpace(supernet.family)
        net = supernet.extract(space.largest())
        with pytest.raises(InvalidArgumentError, match="`net` must be a supernet, or a plain"):
            export(net, space.smallest(), tmp_path / "a", format="ofa", calibration=None)

    def test_a_subnet_of_another_family(self, supernet: Supernet, tmp_path: Path) -> None:
        other = SearchSpace("ofa_mbv3_fashion").smallest()
        with pytest.raises(InvalidSubnetError, match="`subnet` must be of tiny"):
            export(supernet, other, tmp_path / "a", format="ofa", calibration=None)

    @pytest.mark.parametrize(
        ("format", "module", "extra"),
        [
            ("pytorch", "safetensors.torch", "safetensors"),
            ("onnx", "onnx", "onnx"),
            ("executorch", "executorch.exir", "executorch"),
        ],
    )
    def test_what_is_not_installed_is_named_and_nothing_written(
        self,
        supernet: Supernet,
        subnet: Subnet,
        tmp_path: Path,
        format: str,
        module: str,
        extra: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(MissingDependencyError, match=rf'"optuna-ofa\[{extra}\]"'):
            export(supernet, subnet, tmp_path / "net", format=format, calibration=None)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("format", ["torch_export", "ofa"])
    def test_a_failed_export_leaves_the_older_one(
        self,
        supernet: Supernet,
        subnet: Subnet,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        format: str,
    ) -> None:
        path = tmp_path / "net"
        export(supernet, subnet, path, format=format, calibration=None)
        before = contents(tmp_path)
        write = Path.write_bytes

        def fail_on_metadata(self: Path, data: bytes) -> int:
            if ".json" in self.name:
                raise OSError("the disk is full")
            return write(self, data)

        monkeypatch.setattr(Path, "write_bytes", fail_on_metadata)
        with pytest.raises(OSError, match="the disk is full"):
            export(supernet, subnet, path, format=format, calibration=torch.rand(32, 3, 16, 16))
        assert contents(tmp_path) == before
        assert load_exported(path, trust=True) is not None

    @pytest.mark.parametrize("format", ["onnx", "ofa"])
    @pytest.mark.parametrize("place", ["missing/net", "file/net", "net"], ids=str)
    def test_a_place_that_cannot_be_written_is_refused_before_any_work(
        self, supernet: Supernet, subnet: Subnet, tmp_path: Path, format: str, place: str
    ) -> None:
        skip_without(format)
        (tmp_path / "file").write_text("")
        if format == "ofa":
            (tmp_path / "net").write_text("")
        else:
            (tmp_path / "net").mkdir()
        before = contents(tmp_path)
        read: list[int] = []

        def calibration(resolution: int) -> list[Any]:
            read.append(resolution)
            return []

        with pytest.raises(InvalidArgumentError, match="`path` must be"):
            export(supernet, subnet, tmp_path / place, format=format, calibration=calibration)
        assert not read
        assert contents(tmp_path) == before

    @pytest.mark.parametrize("name", ["", "..", "x" * 236, "é" * 118, "a\0b"], ids=repr)
    @pytest.mark.parametrize("format", ["pytorch", "ofa"])
    def test_a_name_that_no_file_can_have(
        self, supernet: Supernet, subnet: Subnet, tmp_path: Path, format: str, name: str
    ) -> None:
        place = f"{tmp_path}/{name}" if name else ""
        with pytest.raises(InvalidArgumentError, match="`path` must"):
            export(supernet, subnet, place, format=format, calibration=None)
        assert contents(tmp_path) == {}

    @pytest.mark.parametrize("format", ["pytorch", "ofa"])
    def test_a_long_name(
        self, supernet: Supernet, subnet: Subnet, tmp_path: Path, format: str
    ) -> None:
        export(supernet, subnet, tmp_path / ("x" * 235), format=format, calibration=None)
        assert isinstance(load_exported(tmp_path / ("x" * 235)), nn.Module)

    @pytest.mark.parametrize(
        ("format", "name"),
        [
            ("pytorch", "net.pt2"),
            ("pytorch", "net.pth"),
            ("torch_export", "net.safetensors"),
            ("onnx", "net.pt2"),
            ("executorch", "net.onnx"),
        ],
    )
    def test_the_ending_of_another_format(
        self, supernet: Supernet, subnet: Subnet, tmp_path: Path, format: str, name: str
    ) -> None:
        skip_without(format)
        with pytest.raises(InvalidArgumentError, match=r"`path` must end in \.\w+, or have no"):
            export(supernet, subnet, tmp_path / name, format=format, calibration=None)
        assert contents(tmp_path) == {}

    @pytest.mark.parametrize("name", ["net", "net.PT2", "w1.2", "net_12.5ms"])
    def test_names_that_are_no_endings(
        self, supernet: Supernet, subnet: Subnet, tmp_path: Path, name: str
    ) -> None:
        export(supernet, subnet, tmp_path / name, format="torch_export", calibration=None)
        assert load_exported(tmp_path / name, trust=True) is not None

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    @pytest.mark.parametrize("plain", [False, True])
    def test_weights_that_are_not_finite(
        self, supernet: Supernet, subnet: Subnet, tmp_path: Path, value: float, plain: bool
    ) -> None:
        net = supernet.extract(subnet) if plain else copy.deepcopy(supernet)
        next(net.parameters()).data.view(-1)[0] = value
        read: list[int] = []
        with pytest.raises(InvalidArgumentError, match=r"`net` must have finite .* `\S+` has NaN"):
            export(net, subnet, tmp_path / "a", format="ofa", calibration=read.append)
        assert not read
        assert contents(tmp_path) == {}

    @pytest.mark.parametrize(
        ("value", "match"),
        [
            (float("nan"), "images of finite pixels"),
            (float("inf"), "images of finite pixels"),
            (1e38, "statistics that are not finite"),
        ],
    )
    @pytest.mark.parametrize("as_loader", [False, True])
    def test_calibration_images_that_are_not_finite(
        self,
        supernet: Supernet,
        subnet: Subnet,
        calibration: Tensor,
        tmp_path: Path,
        value: float,
        match: str,
        as_loader: bool,
    ) -> None:
        images = calibration.clone()
        images[3] = value
        source: Any = [(images, torch.zeros(40))] if as_loader else images
        with pytest.raises(InvalidArgumentError, match=f"`calibration` must .*{match}"):
            export(supernet, subnet, tmp_path / "a", format="ofa", calibration=source)
        assert contents(tmp_path) == {}

    def test_too_few_images_to_compare(
        self, supernet: Supernet, subnet: Subnet, expected: nn.Module, tmp_path: Path
    ) -> None:
        export(supernet, subnet, tmp_path / "a", format="torch_export", calibration=None, batch=2)
        with pytest.raises(InvalidArgumentError, match="`images` must be at least 2, one batch"):
            compare_exported(tmp_path / "a", expected, torch.zeros(1, 3, 16, 16))


def test_a_family_of_ones_own_needs_no_registration(
    supernet: Supernet, subnet: Subnet, images: Tensor, expected: nn.Module, tmp_path: Path
) -> None:
    family: Family = supernet.family
    with pytest.raises(InvalidArgumentError, match="'tiny'"):
        get_family(family.name)
    export(expected, subnet, tmp_path / "net", format="ofa", calibration=None)
    assert compare_exported(tmp_path / "net", expected, images).max_difference == 0
