"""Smaller subnets fitted to a pretrained network, without training."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from optuna_ofa.evaluation import recalibrate
from optuna_ofa.exceptions import CalibrationWarning, InvalidArgumentError
from optuna_ofa.pretrained._calibrate import calibrate
from optuna_ofa.space import Head, SearchSpace, Stage, Stem, Subnet, get_family
from optuna_ofa.supernet import Supernet, slice_own_weights

GATED = replace(
    get_family("ofa_mbv3_w1.0"),
    name="gated",
    aliases=(),
    kernels=(3, 5),
    stem=Stem((8,), (8,), act="h_swish", stride=1),
    stages=(Stage((16,), 2, "relu", depths=(1,)), Stage((24,), 2, "h_swish", True, depths=(1, 2))),
    head=Head(32, 48, act="h_swish", n_classes=4),
)
BOTTLENECKS = replace(
    get_family("ofa_resnet50"),
    name="bottlenecks",
    aliases=(),
    stages=tuple(
        replace(stage, out_channels=tuple(c // 8 for c in stage.out_channels), base_depth=1)
        for stage in get_family("ofa_resnet50").stages[:2]
    ),
)
FAMILIES = {
    "mbconv with squeeze-excite": GATED,
    "bottleneck": BOTTLENECKS,
    "basic": get_family("resnet20_cifar10"),
}
every_family = pytest.mark.parametrize("label", FAMILIES)


def drawn_images(supernet: Supernet, n: int = 40, size: int = 24, seed: int = 0) -> Tensor:
    """Smooth random images, whose pixels depend on one another as those of photographs do."""
    generator = torch.Generator().manual_seed(seed)
    small = torch.randn(n, supernet.family.in_channels, 6, 6, generator=generator)
    return nn.functional.interpolate(small, size, mode="bicubic").to(next(supernet.parameters()))


def random_network(label: str) -> Supernet:
    """A supernet with own projections and statistics of images."""
    torch.manual_seed(0)
    supernet = Supernet(FAMILIES[label], own_projections=True).double()
    for module in supernet.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
            module.momentum = None
    with torch.no_grad():
        supernet.train()(drawn_images(supernet))
    return supernet.eval()


def logits(supernet: Supernet, subnet: Subnet, images: Tensor, seen: Tensor) -> Tensor:
    net = supernet.extract(subnet).eval()
    recalibrate(net, seen)
    with torch.no_grad():
        found: Tensor = net(images)
    return found


def smaller(supernet: Supernet) -> list[Subnet]:
    """Each width, and the smaller kernel where there is one."""
    space, family = SearchSpace(supernet.family), supernet.family
    kernels = family.kernels[:-1] if family.block == "mbconv" else ()
    narrow = [space.subnet(expand=ratio) for ratio in family.expands[:-1]]
    return [*narrow, *(space.subnet(kernel=kernel) for kernel in kernels)]


@every_family
def test_the_largest_subnet_stays_as_it_is(label: str) -> None:
    supernet = random_network(label)
    images = drawn_images(supernet, seed=1)
    with torch.no_grad():
        before = supernet(images)
        calibrate(supernet, drawn_images(supernet))
        torch.testing.assert_close(supernet(images), before, rtol=1e-10, atol=1e-10)


@every_family
def test_smaller_subnets_are_nearer_to_the_largest_than_slices(label: str) -> None:
    supernet = random_network(label)
    seen, images = drawn_images(supernet, 80), drawn_images(supernet, seed=1)
    with torch.no_grad():
        wanted = supernet(images)
    subnets = smaller(supernet)
    sliced = [(logits(supernet, s, images, seen) - wanted).square().mean() for s in subnets]
    calibrate(supernet, seen)
    fitted = [(logits(supernet, s, images, seen) - wanted).square().mean() for s in subnets]
    assert all(new < old for new, old in zip(fitted, sliced, strict=True))


@every_family
def test_statistics_counts_modes_and_the_active_subnet_stay(label: str) -> None:
    supernet = random_network(label)
    active = SearchSpace(supernet.family).smallest()
    supernet.activate(active)
    before = {n: t.sort()[0] for n, t in supernet.named_buffers() if t.ndim}
    counts = {n: t.clone() for n, t in supernet.named_buffers() if not t.ndim}
    momenta = [m.momentum for m in supernet.modules() if isinstance(m, nn.BatchNorm2d)]
    calibrate(supernet, drawn_images(supernet))
    assert supernet.active == active
    assert not any(module.training for module in supernet.modules())
    after = dict(supernet.named_buffers())
    assert all(torch.equal(after[name].sort()[0], values) for name, values in before.items())
    assert all(torch.equal(after[name], value) for name, value in counts.items())
    assert momenta == [m.momentum for m in supernet.modules() if isinstance(m, nn.BatchNorm2d)]


def test_the_same_images_give_the_same_weights() -> None:
    first = random_network("basic")
    second = copy.deepcopy(first)
    calibrate(first, drawn_images(first))
    torch.manual_seed(5)
    calibrate(second, drawn_images(first))
    torch.testing.assert_close(first.state_dict(), second.state_dict(), rtol=0, atol=0)


def test_constant_images_leave_slices() -> None:
    supernet = random_network("basic")
    calibrate(supernet, torch.full_like(drawn_images(supernet), 3.0)[:, :, :1, :1])
    sliced = copy.deepcopy(supernet)
    slice_own_weights(sliced)
    torch.testing.assert_close(supernet.state_dict(), sliced.state_dict(), rtol=1e-6, atol=1e-6)


def test_few_images_are_warned_of_and_give_finite_weights() -> None:
    supernet = random_network("basic")
    with pytest.warns(CalibrationWarning, match="`images` should be 32 or more.* there are 2"):
        calibrate(supernet, drawn_images(supernet, 2))
    assert all(bool(p.isfinite().all()) for p in supernet.parameters())


def test_supernet_that_shares_its_projections_is_refused() -> None:
    supernet = Supernet(FAMILIES["basic"])
    with pytest.raises(InvalidArgumentError, match=r"`supernet` must have projections of its own"):
        calibrate(supernet, drawn_images(supernet))


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (torch.zeros(40, 1, 8, 8), r"shape \(n, 3, size, size\)"),
        (torch.zeros(40, 3, 8, 9), "square images"),
        (torch.full((40, 3, 8, 8), torch.nan), "finite pixels"),
        (torch.zeros(0, 3, 8, 8), "at least one image"),
        (torch.zeros(40, 3, 8, 8, dtype=torch.uint8), r"type torch\.float32"),
    ],
    ids=["channels", "not square", "NaN", "none", "bytes"],
)
def test_images_that_do_not_fit_are_refused_before_any_work(images: Tensor, words: str) -> None:
    supernet = Supernet(FAMILIES["basic"], own_projections=True)
    before = copy.deepcopy(supernet.state_dict())
    with pytest.raises(InvalidArgumentError, match=f"`images` must be.*{words}"):
        calibrate(supernet, images)
    torch.testing.assert_close(dict(supernet.state_dict()), dict(before), rtol=0, atol=0)
