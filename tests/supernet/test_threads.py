"""Threads that activate subnets of one supernet and compute them at once."""

from __future__ import annotations

import copy
import pickle
import sys
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from optuna_ofa.data import packaged_supernet
from optuna_ofa.space import SearchSpace, Subnet
from optuna_ofa.supernet import Supernet

IMAGES = torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def net(one_thread: None) -> Supernet:
    return packaged_supernet()


@pytest.fixture
def expected(net: Supernet) -> dict[Subnet, Tensor]:
    """Logits of some subnets, computed by one thread."""
    space = SearchSpace(net.family)
    subnets = [*space.from_matrix(space.sample(6, seed=1)), space.smallest(), space.largest()]
    return {subnet: logits(net, subnet) for subnet in subnets}


@pytest.fixture(autouse=True)
def _frequent_switches() -> Iterator[None]:
    """Let threads take turns a thousand times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(before)


def logits(net: Supernet, subnet: Subnet | None = None) -> Tensor:
    if subnet is not None:
        net.activate(subnet)
    with torch.no_grad():
        return net(IMAGES)  # type: ignore[no-any-return]


def in_threads(*works: Callable[[], object]) -> None:
    """Run functions at once, each in its own thread; raise what one of them raised."""
    errors: list[BaseException] = []

    def guarded(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # an assertion too
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_each_thread_computes_the_subnet_that_it_activated(
    net: Supernet, expected: dict[Subnet, Tensor]
) -> None:
    subnets = list(expected)

    def work(seed: int) -> None:
        for i in np.random.default_rng(seed).integers(len(subnets), size=40):
            net.activate(subnets[i])
            assert net.active == subnets[i]
            assert torch.equal(logits(net), expected[subnets[i]])
            assert net.active == subnets[i]

    in_threads(*(lambda seed=seed: work(seed) for seed in range(4)))


def test_a_pass_keeps_its_subnet_where_another_thread_activates(
    net: Supernet, expected: dict[Subnet, Tensor]
) -> None:
    done = threading.Event()

    def compute() -> None:
        try:
            for _ in range(40):
                found = logits(net)
                assert any(torch.equal(found, known) for known in expected.values())
        finally:
            done.set()

    def activate() -> None:
        while not done.is_set():
            for subnet in expected:
                net.activate(subnet)

    in_threads(compute, activate)


def test_a_thread_that_activated_none_computes_the_last_one(
    net: Supernet, expected: dict[Subnet, Tensor]
) -> None:
    for subnet, known in expected.items():
        net.activate(subnet)
        found: list[Tensor] = []
        in_threads(lambda found=found: found.append(logits(net)))
        assert torch.equal(found[0], known)
    first, *_, last = expected
    net.activate(first)
    in_threads(lambda: net.activate(last))
    assert net.active == first
    assert torch.equal(logits(net), expected[first])


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))],
    ids=["deepcopy", "pickle"],
)
def test_a_copy_has_the_subnet_of_the_thread_that_makes_it(
    net: Supernet, expected: dict[Subnet, Tensor], copied: Callable[[Supernet], Supernet]
) -> None:
    first, *_, last = expected
    net.activate(first)
    in_threads(lambda: net.activate(last))
    other = copied(net)
    assert torch.equal(logits(other), expected[first])
    other.activate(last)
    assert torch.equal(logits(other), expected[last])
    assert torch.equal(logits(net), expected[first])


@pytest.mark.skipif(
    torch.__version__.startswith("2.6"), reason="torch 2.6 cannot compile context managers"
)
def test_a_compiled_supernet_computes_the_active_subnet(
    net: Supernet, expected: dict[Subnet, Tensor]
) -> None:
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    first, *_, last = expected

    def work(*subnets: Subnet) -> None:
        for subnet in subnets:
            net.activate(subnet)
            with torch.no_grad():
                torch.testing.assert_close(compiled(IMAGES), expected[subnet])

    work(first, last, first)
    in_threads(lambda: work(last, first))


def test_torch_export_takes_the_active_subnet(
    net: Supernet, expected: dict[Subnet, Tensor]
) -> None:
    subnet = next(iter(expected))
    net.activate(subnet)
    program = torch.export.export(net, (IMAGES,), strict=False).module()
    torch.testing.assert_close(program(IMAGES), expected[subnet])
