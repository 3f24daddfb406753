"""Tests of files of LiteRT."""

from __future__ import annotations

import logging
import os
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from optuna_ofa.data import packaged_images, packaged_supernet
from optuna_ofa.evaluation import set_statistics
from optuna_ofa.graphs import (
    _quantized_litert,
    build_net,
    fold_batch_norm,
    litert_of_net,
    quantized_litert_of_net,
    run_litert,
)
from optuna_ofa.space import Layer, SearchSpace, subnet_layers
from optuna_ofa.supernet import resize_images

pytestmark = pytest.mark.litert


class Converted(NamedTuple):
    """The smallest packaged subnet, its files, and test images with their logits."""

    net: nn.Module
    plain: bytes
    int8: bytes
    images: Tensor
    logits: Tensor


@pytest.fixture(scope="module")
def converted() -> Converted:
    supernet = packaged_supernet()
    subnet = SearchSpace(supernet.family.name).smallest()
    data = packaged_images()
    shown = resize_images(data.train.tensors[0][:1000], subnet.resolution)
    net = supernet.extract(subnet).eval()
    set_statistics(net, shown)
    fold_batch_norm(net)
    layers = subnet_layers(subnet)
    images = resize_images(data.test.tensors[0], subnet.resolution)
    with torch.no_grad():
        logits = net(images)
    plain, int8 = litert_of_net(net, layers), quantized_litert_of_net(net, layers, shown)
    return Converted(net, plain, int8, images, logits)


def test_float_logits_are_those_of_torch(converted: Converted) -> None:
    logits = run_litert(converted.plain)(converted.images)
    assert logits.shape == converted.logits.shape
    torch.testing.assert_close(logits, converted.logits, atol=1e-4, rtol=0)
    assert torch.equal(logits.argmax(1), converted.logits.argmax(1))


def test_integers_change_few_classes(converted: Converted) -> None:
    logits = run_litert(converted.int8)(converted.images)
    assert (logits.argmax(1) == converted.logits.argmax(1)).double().mean() > 0.985
    assert (logits - converted.logits).square().mean().sqrt() < 0.1
    assert len(converted.int8) < len(converted.plain) / 2


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("kind", ["plain", "int8"])
def test_logits_do_not_depend_on_the_other_images(converted: Converted, kind: str, n: int) -> None:
    run = run_litert(getattr(converted, kind))
    assert torch.equal(run(converted.images[:8])[:n], run(converted.images[:n]))


def test_the_process_is_as_before(capfd: pytest.CaptureFixture[str]) -> None:
    def state() -> tuple[object, ...]:
        root, jax = logging.getLogger(), pytest.importorskip("jax")
        x64 = jax.config.jax_enable_x64
        return dict(os.environ), root.handlers[:], root.level, torch.get_num_threads(), x64

    before = state()
    layers = [Layer("stem", "conv", 3, 8, 16, 16, kernel=3, act="relu")]
    images = torch.randn(2, 3, 16, 16)
    net = build_net(layers, fold=True)
    found = run_litert(quantized_litert_of_net(net, layers, images))(images)
    torch.testing.assert_close(found, net(images), atol=0.2, rtol=0)
    assert state() == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("n", "batch"), [(1, 1), (1, 3), (5, 2), (300, 256)])
def test_images_are_divided_into_whole_batches(n: int, batch: int) -> None:
    parts = _quantized_litert._batches(torch.arange(n).view(n, 1, 1, 1), batch)
    assert {len(part) for part in parts} == {batch}
    assert len(parts) == max(n // batch, 1)
    assert torch.equal(torch.cat(parts).flatten()[:n], torch.arange(n)[: len(parts) * batch])
