"""Statistics of batch normalisation, computed anew."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from optuna_ofa import SearchSpace, Supernet
from optuna_ofa.evaluation import recalibrate
from optuna_ofa.exceptions import InvalidArgumentError


def plain_net(*, dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Conv2d(8, 4, 3, 2),
        nn.BatchNorm2d(4),
        nn.Flatten(),
        nn.LazyLinear(5),
    ).eval()


@pytest.fixture
def images() -> Tensor:
    rng = torch.Generator().manual_seed(0)
    return torch.randn(90, 3, 12, 12, generator=rng) * 3 + torch.arange(90.0)[:, None, None, None]


def statistics(net: nn.Module) -> list[Tensor]:
    return [t for name, t in net.named_buffers() if "running" in name]


def test_all_images_in_one_batch_are_what_torch_computes(images: Tensor) -> None:
    net = plain_net()
    net(images)  # makes the lazy layer
    theirs = copy.deepcopy(net).train()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    theirs(images)
    recalibrate(net, images, batch_size=len(images))
    torch.testing.assert_close(statistics(net), statistics(theirs))


@pytest.mark.parametrize("batch_size", [1, 7, 32, 90])
def test_mean_and_variance_are_those_of_all_images(images: Tensor, batch_size: int) -> None:
    net = plain_net()
    net(images)
    recalibrate(net, images, batch_size=batch_size)
    values = net[0](images).double().transpose(0, 1).flatten(1)
    torch.testing.assert_close(net[1].running_mean.double(), values.mean(1), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(net[1].running_var.double(), values.var(1), rtol=1e-5, atol=1e-5)


def test_older_statistics_and_the_order_of_the_images_do_not_count(images: Tensor) -> None:
    first, second = plain_net(), plain_net()
    for net in (first, second):
        net(images)
    second.load_state_dict(first.state_dict())
    second[1].running_mean.fill_(100.0)
    second[5].running_var.fill_(100.0)
    recalibrate(first, images, batch_size=90)
    recalibrate(second, images.flip(0), batch_size=90)
    torch.testing.assert_close(statistics(first), statistics(second))


def test_weights_modes_and_momenta_stay(images: Tensor) -> None:
    net = plain_net(dropout=0.5).train()
    net(images)
    net[4].eval()
    weights = copy.deepcopy(dict(net.named_parameters()))
    modes = [module.training for module in net.modules()]
    recalibrate(net, images)
    assert [module.training for module in net.modules()] == modes
    assert net[1].momentum == 0.1
    assert all(torch.equal(weights[name], p) for name, p in net.named_parameters())
    assert all(p.requires_grad and p.grad is None for p in net.parameters())


def test_dropout_is_off(images: Tensor) -> None:
    plain, dropping = plain_net(), plain_net(dropout=0.5)
    plain(images)
    dropping(images)
    dropping.load_state_dict(plain.state_dict())
    recalibrate(plain, images)
    recalibrate(dropping.train(), images)
    torch.testing.assert_close(statistics(plain), statistics(dropping))


def test_a_failure_leaves_the_statistics_as_they_were(images: Tensor) -> None:
    net = plain_net()
    net(images)
    before = copy.deepcopy(statistics(net))
    with pytest.raises(RuntimeError, match="channels"):
        recalibrate(net, images[:, :2])
    torch.testing.assert_close(statistics(net), before, rtol=0, atol=0)
    assert net[1].momentum == 0.1
    assert not net.training


def test_a_net_without_batch_normalisation_has_nothing_to_do(images: Tensor) -> None:
    net = nn.Sequential(nn.Conv2d(3, 2, 3))
    recalibrate(net, images)
    assert net.training


def test_a_supernet_is_refused(supernet: Supernet, images: Tensor) -> None:
    before = copy.deepcopy(supernet.state_dict())
    with pytest.raises(InvalidArgumentError, match=r"`net` must be a plain network.*extract"):
        recalibrate(supernet, images)
    assert all(torch.equal(before[name], t) for name, t in supernet.state_dict().items())


@pytest.mark.parametrize(
    ("shape", "batch_size", "message"),
    [
        pytest.param((3, 12, 12), 10, r"`images` must be .*\(n, channels", id="one-image"),
        pytest.param((0, 3, 12, 12), 10, "at least one image, but got none", id="none"),
        pytest.param((4, 3, 12, 10), 10, "square images.*got some of 12 x 10", id="oblong"),
        pytest.param((4, 3, 12, 12), 0, "`batch_size` must be a whole", id="batch"),
    ],
)
def test_bad_input(shape: tuple[int, ...], batch_size: int, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        recalibrate(plain_net(), torch.zeros(shape), batch_size=batch_size)


def test_one_image_is_too_few_for_a_map_of_one_pixel() -> None:
    net = nn.Sequential(nn.Conv2d(3, 2, 4), nn.BatchNorm2d(2))
    with pytest.raises(InvalidArgumentError, match="`images` must be more for maps of a single"):
        recalibrate(net, torch.randn(1, 3, 4, 4))
    recalibrate(net, torch.randn(5, 3, 4, 4), batch_size=4)  # 3 and 2, never 4 and 1


def test_an_extracted_subnet_normalises_to_mean_0_and_variance_1(
    supernet: Supernet, space: SearchSpace
) -> None:
    images = torch.randn(64, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    net = supernet.extract(space.smallest()).eval()
    recalibrate(net, images, batch_size=64)
    seen: list[Tensor] = []
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda m, i, out: seen.append(out.detach().clone()))
    with torch.no_grad():
        net(images)
    assert len(seen) == len([m for m in net.modules() if isinstance(m, nn.BatchNorm2d)])
    for out in seen:
        values = out.transpose(0, 1).flatten(1)
        used = values.std(1) > 0.01  # a channel that a ReLU made constant has no variance
        torch.testing.assert_close(values.mean(1), torch.zeros(len(values)), atol=0.01, rtol=0)
        assert (values.std(1)[used] - 1).abs().max() < 0.05


def test_a_net_of_another_type_gets_images_of_its_type(images: Tensor) -> None:
    net = plain_net()
    net(images)
    double = copy.deepcopy(net).double()
    recalibrate(net, images)
    recalibrate(double, images)
    assert double[1].running_mean.dtype == torch.float64
    torch.testing.assert_close(double[5].running_var.float(), net[5].running_var)
