"""One training step beside the same step with the ``ofa`` package's modules, in turns.

    python benchmarks/training_step.py

A step is the sandwich rule's: the largest, the smallest and two random subnets, forward and
backward, then the optimiser. Both have the same weights, subnets, images and losses, which are
compared before anything is timed. Then the forward pass of elastic subnets beside that of the
plain networks extracted from them. The medians of interleaved rounds are printed, and their ratio.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from _head import print_head
from _peer import import_ofa
from torch import Tensor

from optuna_ofa import SearchSpace, Supernet, load_supernet
from optuna_ofa.space import Family, get_family
from optuna_ofa.supernet import resize_images
from optuna_ofa.training import Run, Sandwich, TrainingSettings
from optuna_ofa.training._optimiser import make_optimiser
from optuna_ofa.training._step import Runner

# family, pixels, images a batch
CASES = (("ofa_mbv3_fashion", 28, 64), ("ofa_mbv3_w1.0", 128, 8))
SETTINGS = TrainingSettings(mixed_precision=False)


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print_head()
    for name, resolution, n_images in CASES:
        family = get_family(name)
        torch.manual_seed(0)
        shape = (n_images, family.in_channels, resolution, resolution)
        images = torch.randn(shape, device=arguments.device)
        labels = torch.randint(family.head.n_classes, (n_images,), device=arguments.device)
        theirs, ours = pair(family, arguments.device)
        space = SearchSpace(family, resolution=resolution)
        runs = Sandwich(n_steps=1).runs(space, 0, np.random.default_rng(0))
        print(f"{name}, {n_images} images of {resolution} pixels, {len(runs)} subnets a step")
        steps = our_step(ours, runs, images, labels), their_step(theirs, runs, images, labels)
        losses = [step() for step in steps]
        print(f"  losses of the first step: {losses[0]:.6f} (ofa {losses[1]:.6f})")
        report("step", "ofa", *medians(steps, arguments))
        elastic_beside_plain(ours, runs, images, arguments)


def elastic_beside_plain(
    supernet: Supernet, runs: Sequence[Run], images: Tensor, arguments: argparse.Namespace
) -> None:
    """Time the forward passes of each subnet."""
    supernet.eval()
    images = images.to(memory_format=torch.channels_last)
    for label, run in zip(("largest", "smallest", "random", "random"), runs, strict=True):
        plain = supernet.extract(run.subnet).eval()
        supernet.activate(run.subnet)
        with torch.inference_mode():
            times = medians([lambda: supernet(images), lambda p=plain: p(images)], arguments, 5)
        report(f"forward, {label}", "plain", *times)


def our_step(
    supernet: Supernet, runs: Sequence[Run], images: Tensor, labels: Tensor
) -> Callable[[], float]:
    """What the training loop does with a batch."""
    scaler = torch.amp.GradScaler(images.device.type, enabled=False)
    runner = Runner(supernet.train(), SETTINGS, scaler)
    optimiser = make_optimiser(supernet, SETTINGS, 1e-3)

    def step() -> float:
        loss = float(runner.add_gradients(runs, images, labels, None))
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        return loss

    return step


def their_step(
    net: Any, runs: Sequence[Run], images: Tensor, labels: Tensor
) -> Callable[[], float]:
    """The same with ``set_active_subnet``, as ``train_one_epoch`` of the package has it."""
    optimiser = make_optimiser(net.train(), SETTINGS, 1e-3)

    def step() -> float:
        losses, taught = [], None
        for run in runs:
            view = resize_images(images, run.subnet.resolution)
            net.set_active_subnet(
                ks=list(run.subnet.kernel), e=list(run.subnet.expand), d=list(run.subnet.depth)
            )
            logits = net(view)
            if taught is None:
                loss = F.cross_entropy(logits, labels, label_smoothing=SETTINGS.label_smoothing)
                taught = logits.detach().softmax(1)
            else:
                loss = F.cross_entropy(logits, taught)
            loss.backward()
            losses.append(loss.detach())
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        return float(torch.stack(losses).mean())

    return step


def pair(family: Family, device: str) -> tuple[Any, Supernet]:
    """A supernet of the ``ofa`` package's modules, and ours with its weights."""
    theirs = _peer(family)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pth"
        torch.save({"state_dict": theirs.state_dict()}, path)
        ours = load_supernet(family, weights=path)
    return theirs.to(device), ours.to(device)


def _peer(family: Family) -> Any:
    """``OFAMobileNetV3`` with the stages of a family; its constructor has the published ones."""
    networks = import_ofa("ofa.imagenet_classification.elastic_nn.networks")
    layers = import_ofa("ofa.utils.layers")
    dynamic = import_ofa("ofa.imagenet_classification.elastic_nn.modules.dynamic_layers")
    net = networks.OFAMobileNetV3.__new__(networks.OFAMobileNetV3)
    stem, head = family.stem, family.head
    first, width = stem.conv_channels[0], stem.out_channels[0]

    def residual(conv: Any, i: int, o: int, stride: int) -> Any:
        shortcut = layers.IdentityLayer(i, o) if stride == 1 and i == o else None
        return layers.ResidualBlock(conv, shortcut)

    conv = layers.ConvLayer(family.in_channels, first, 3, stem.stride, act_func=stem.act)
    block = layers.MBConvLayer(first, width, 3, 1, expand_ratio=1, act_func=stem.block_act)
    blocks, groups = [residual(block, first, width, 1)], []
    for stage in family.stages:
        groups.append(list(range(len(blocks), len(blocks) + stage.max_blocks)))
        for i in range(stage.max_blocks):
            stride, out = (1 if i else stage.stride), stage.out_channels[0]
            block = dynamic.DynamicMBConvLayer(
                [width],
                [out],
                list(family.kernels),
                list(family.expands),
                stride,
                stage.act,
                stage.use_se,
            )
            blocks.append(residual(block, width, out, stride))
            width = out
    expanded, mixed = head.final_expand_channels, head.feature_mix_channels
    super(networks.OFAMobileNetV3, net).__init__(
        conv,
        blocks,
        layers.ConvLayer(width, expanded, 1, act_func=head.act),
        layers.ConvLayer(expanded, mixed, 1, use_bn=False, act_func=head.act),
        layers.LinearLayer(mixed, head.n_classes),
    )
    net.set_bn_param(momentum=0.1, eps=family.bn_eps)
    net.block_group_info, net.runtime_depth = groups, [len(group) for group in groups]
    return copy.deepcopy(net)


def medians(
    functions: Sequence[Callable[[], object]], arguments: argparse.Namespace, repeats: int = 1
) -> list[float]:
    """The median of each in milliseconds, taken in turns so that both see the same machine."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(arguments.rounds + 1):
        for function, found in zip(functions, times, strict=True):
            start = time.perf_counter()
            for _ in range(repeats):
                function()
            if arguments.device.startswith("cuda"):
                torch.cuda.synchronize()
            found.append(1e3 * (time.perf_counter() - start) / repeats)
    return [statistics.median(found[1:]) for found in times]  # the first one warms up


def report(what: str, other: str, ours: float, theirs: float) -> None:
    """Print both and the ratio."""
    print(f"  {what}: {ours:.1f} ms, {other} {theirs:.1f} ms, ratio {ours / theirs:.3f}")


if __name__ == "__main__":
    main()
