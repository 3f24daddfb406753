"""Several subnets in memory, whose weights are stored once."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from optuna_ofa import SearchSpace, Subnet, Supernet, get_family
from optuna_ofa.deployment import SubnetSwitcher
from optuna_ofa.evaluation import recalibrate, weights_hash
from optuna_ofa.exceptions import InvalidArgumentError, InvalidSubnetError
from optuna_ofa.space import subnet_of
from optuna_ofa.supernet import resize_images


def draw(supernet: Supernet, n: int) -> dict[str, Subnet]:
    """The two extremes and random subnets."""
    space = SearchSpace(supernet.family)
    rows = space.sample(n, seed=0).tolist()
    subnets = [space.largest(), space.smallest(), *(subnet_of(space.family, r) for r in rows)]
    return {f"mode {i}": subnet for i, subnet in enumerate(subnets)}


def n_bytes(tensors: dict[str, Tensor]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors.values())


def check_equal(switcher: SubnetSwitcher, supernet: Supernet, calibration: Tensor) -> None:
    """Every mode computes what the extracted and recalibrated subnet computes."""
    for mode, subnet in switcher.modes.items():
        net = supernet.extract(subnet).eval()
        recalibrate(net, resize_images(calibration, subnet.resolution))
        images = torch.randn(4, subnet.family.in_channels, subnet.resolution, subnet.resolution)
        switcher.switch(mode)
        with torch.no_grad():
            torch.testing.assert_close(switcher(images), net(images), atol=1e-5, rtol=1e-5)


def test_every_mode_equals_its_extracted_subnet(supernet: Supernet, calibration: Tensor) -> None:
    switcher = SubnetSwitcher(supernet, draw(supernet, 6), calibration=calibration)
    check_equal(switcher, supernet, calibration)
    check_equal(switcher, supernet, calibration)  # having been switched away from


@pytest.mark.parametrize("name", ["ofa_mbv3_fashion", "ofa_resnet50", "resnet20_cifar10"])
def test_published_families(name: str) -> None:
    supernet = Supernet(get_family(name))
    calibration = torch.randn(8, supernet.family.in_channels, 32, 32)
    modes = {mode: replace(s, resolution=32) for mode, s in draw(supernet, 2).items()}
    check_equal(SubnetSwitcher(supernet, modes, calibration=calibration), supernet, calibration)


def test_projections_of_their_own_are_kept_apart_and_stored_once(
    own_supernet: Supernet, calibration: Tensor
) -> None:
    supernet, space = own_supernet, SearchSpace(own_supernet.family)
    subnets = {f"depth {d}": space.subnet(depth=d, expand=3, kernel=5) for d in (1, 2)}
    modes = {**draw(supernet, 2), **subnets}
    check_equal(SubnetSwitcher(supernet, modes, calibration=calibration), supernet, calibration)
    switcher = SubnetSwitcher(supernet, subnets, calibration=calibration)
    deep, shallow = (supernet.extract(subnets[f"depth {d}"]) for d in (2, 1))
    statistics = sum(b.numel() * b.element_size() for b in shallow.buffers())
    assert switcher.memory_bytes() == n_bytes(deep.state_dict()) + statistics


def test_weights_in_common_are_stored_once(supernet: Supernet, calibration: Tensor) -> None:
    modes = draw(supernet, 2)
    switcher = SubnetSwitcher(supernet, modes, calibration=calibration)
    separate = sum(n_bytes(supernet.extract(s).state_dict()) for s in modes.values())
    assert switcher.separate_memory_bytes() == separate
    largest = n_bytes(supernet.extract(modes["mode 0"]).state_dict())
    assert largest < switcher.memory_bytes() < 1.5 * largest < separate


def test_one_mode_stores_no_more_than_its_subnet(supernet: Supernet, subnet: Subnet) -> None:
    switcher = SubnetSwitcher(supernet, {"only": subnet}, calibration=None)
    assert switcher.memory_bytes() == n_bytes(supernet.extract(subnet).state_dict())
    assert switcher.memory_bytes() == switcher.separate_memory_bytes()


def test_modes_of_the_same_subnet_are_one_network(supernet: Supernet, subnet: Subnet) -> None:
    switcher = SubnetSwitcher(supernet, {"a": subnet, "b": subnet}, calibration=None)
    alone = SubnetSwitcher(supernet, {"a": subnet}, calibration=None)
    assert switcher.memory_bytes() == alone.memory_bytes()
    assert switcher.separate_memory_bytes() == alone.separate_memory_bytes()


def test_the_supernet_is_neither_changed_nor_needed(
    supernet: Supernet, subnet: Subnet, calibration: Tensor
) -> None:
    own = copy.deepcopy(supernet)
    before, active = weights_hash(own), own.active
    switcher = SubnetSwitcher(own, {"low": subnet}, calibration=calibration)
    assert (weights_hash(own), own.active, own.training) == (before, active, True)
    images = torch.randn(2, 3, 16, 16)
    logits = switcher(images)
    with torch.no_grad():
        for parameter in own.parameters():
            parameter.zero_()
    del own
    gc.collect()
    assert torch.equal(switcher(images), logits)


def test_switching(supernet: Supernet, calibration: Tensor) -> None:
    space = SearchSpace(supernet.family)
    modes = {"full": space.largest(), "low": space.smallest()}
    switcher = SubnetSwitcher(supernet, modes, calibration=calibration)
    assert (switcher.mode, switcher.active) == ("full", space.largest())
    switcher.switch("low")
    assert (switcher.mode, switcher.active) == ("low", space.smallest())
    assert repr(switcher) == "SubnetSwitcher(full, low; active: low)"
    assert dict(switcher.modes) == modes


def test_images_of_another_size_are_resized(
    supernet: Supernet, subnet: Subnet, calibration: Tensor
) -> None:
    switcher = SubnetSwitcher(supernet, {"low": subnet}, calibration=calibration)
    images = torch.randn(3, 3, 40, 40)
    assert torch.equal(switcher(images), switcher(resize_images(images, 16)))


def test_logits_need_no_gradients(supernet: Supernet, subnet: Subnet) -> None:
    switcher = SubnetSwitcher(supernet, {"low": subnet}, calibration=None)
    assert not switcher(torch.zeros(1, 3, 16, 16)).requires_grad


class TestBadInput:
    def test_no_modes(self, supernet: Supernet) -> None:
        with pytest.raises(InvalidArgumentError, match=r"`modes` must be .* at least one mode"):
            SubnetSwitcher(supernet, {}, calibration=None)

    def test_an_unknown_mode(self, supernet: Supernet, subnet: Subnet) -> None:
        switcher = SubnetSwitcher(supernet, {"full": subnet, "low": subnet}, calibration=None)
        expected = "`mode` must be one of full, low, but got 'turbo'"
        with pytest.raises(InvalidArgumentError, match=expected):
            switcher.switch("turbo")
        assert switcher.mode == "full"

    def test_a_subnet_of_another_family(self, supernet: Supernet) -> None:
        other = SearchSpace("ofa_mbv3_fashion").smallest()
        with pytest.raises(InvalidSubnetError, match="`subnet` must be of tiny"):
            SubnetSwitcher(supernet, {"low": other}, calibration=None)

    def test_images_that_do_not_fit(self, supernet: Supernet, subnet: Subnet) -> None:
        with pytest.raises(InvalidArgumentError, match="`calibration` must be images"):
            SubnetSwitcher(supernet, {"low": subnet}, calibration=torch.zeros(4, 1, 16, 16))

    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            pytest.param(lambda x: x[:0], "at least one image, but got none", id="none"),
            pytest.param(lambda x: x.double(), "float32.*got a torch.float64", id="double"),
            pytest.param(lambda x: x.half(), "float32.*got a torch.float16", id="half"),
            pytest.param(lambda x: x[..., 1:], "square images", id="oblong"),
            pytest.param(lambda x: x / 0, "finite pixels", id="nan"),
            pytest.param(lambda x: x[:, :1], r"of shape \(n, 3, size, size\)", id="channels"),
        ],
    )
    def test_images_to_run_on(
        self, supernet: Supernet, subnet: Subnet, spoil: Callable[[Tensor], Tensor], message: str
    ) -> None:
        switcher = SubnetSwitcher(supernet, {"only": subnet}, calibration=None)
        images = torch.zeros(2, 3, subnet.resolution, subnet.resolution)
        assert switcher(images).isfinite().all()
        with pytest.raises(InvalidArgumentError, match=f"`images` must be.*{message}"):
            switcher(spoil(images))
