"""Smaller choices of a supernet fitted to its largest subnet, block after block."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from optuna_ofa._arguments import checked
from optuna_ofa._progress import progress_bar
from optuna_ofa._warnings import warn
from optuna_ofa.exceptions import CalibrationWarning, InvalidArgumentError
from optuna_ofa.pretrained._elastic_block import ElasticBlock, elastic_blocks, samples
from optuna_ofa.pretrained._elimination import elimination_order
from optuna_ofa.pretrained._kernels import PatchProducts
from optuna_ofa.pretrained._moments import Moments, Normal
from optuna_ofa.space import SearchSpace
from optuna_ofa.supernet import Supernet, check_images, slice_own_weights, slot_modules
from optuna_ofa.training import reorder_middle, sort_shared

BATCH_SIZE = 20
# with fewer, projections follow single images
FEW = 32


@checked
def calibrate(supernet: Supernet, images: Tensor, *, progress: bool | None = None) -> None:
    """Fit the smaller choices of each block to its largest one, in place and without training.

    The middle channels of a block are put into the order in which each width loses least
    (backward elimination). Kernels smaller than the largest get the filters, and each pair of
    kernel and width the projection, with which the block gives most nearly what it gave before, by
    least squares over the pixels of the images, each block on the inputs that it has in the
    largest subnet. The largest subnet stays as it is. Which blocks are left out is not taken into
    account.

    Running statistics are not valid for smaller subnets: recalibrate a subnet before it is used.

    Args:
        supernet: A supernet of a pretrained network, with ``own_projections=True``.
        images: ``(n, channels, size, size)``, normalised as in training, of the size that the
            network was trained for; some hundreds of the training set. About 5 MB of memory are
            needed for each image of 224 pixels.
        progress: Whether to show a progress bar, which stays with the time that it took; None
            shows it on a terminal only.

    Raises:
        InvalidArgumentError: If the supernet shares its projections, or the images do not fit it
            or are not finite.

    Warns:
        CalibrationWarning: There are fewer than 32 images.
    """
    if not supernet.own_projections:
        raise InvalidArgumentError(
            "`supernet` must have projections of its own for each width "
            "(`Supernet(family, own_projections=True)`), but got one without."
        )
    weights = next(supernet.parameters())
    channels = supernet.family.in_channels
    check_images(images, "`images` must be", channels=channels, weights=weights.dtype)
    if len(images) < FEW:
        warn(
            f"`images` should be {FEW} or more, preferably hundreds, but there are {len(images)}: "
            f"the projections follow single images.",
            CalibrationWarning,
        )
    active, training = supernet.active, supernet.training
    sort_shared(supernet)  # also the channels that no projection reads
    slice_own_weights(supernet.eval())
    with torch.no_grad():
        _Calibration(supernet, images.to(weights)).run(progress)
    supernet.train(training).activate(active)


class _Calibration:
    """One pass through the blocks of a supernet.

    Args:
        supernet: The supernet.
        images: The images.
    """

    def __init__(self, supernet: Supernet, images: Tensor) -> None:
        self.supernet = supernet
        self.blocks = elastic_blocks(supernet)
        self.inputs = list(torch.split(images, BATCH_SIZE))

    def run(self, progress: bool | None) -> None:
        """Calibrate one block after the other."""
        self.supernet.activate(SearchSpace(self.supernet.family).largest())
        with progress_bar(
            "calibrating", progress, leave=True, total=len(self.blocks), unit="block"
        ) as bar:
            for slot, module in enumerate(slot_modules(self.supernet)):
                block = self.blocks.get(slot)
                if block is None:
                    self.inputs = [module(x) for x in self.inputs]
                    continue
                self.supernet.activate(block.full)
                branches = [block.branch(x) for x in self.inputs]
                self.fit(block, branches)
                self.supernet.activate(block.full)
                self.inputs = [
                    block.joined(branch, x) for branch, x in zip(branches, self.inputs, strict=True)
                ]
                bar.update()
                if bar.n == bar.total:
                    break

    def fit(self, block: ElasticBlock, branches: list[Tensor]) -> None:
        """Fit all choices of a block to what the largest gives."""
        normal = self.normal(block, block.largest, branches)
        if block.has_order:
            fewest = min(channels for _, channels in block.choices)
            order = elimination_order(normal, n_kept=fewest, group=block.group)
            reorder_middle(block.module, block.layer, order)
            normal = normal.reordered(block.of_channels(order))
        self.fit_kernels(block)
        known = {block.largest: normal}
        for choice in block.choices:
            if choice != block.largest:
                # gates of squeeze-and-excitation depend on the width, other features do not
                kernel, channels = choice
                key = choice if block.layer.use_se else (kernel, block.largest[1])
                if key not in known:
                    known[key] = self.normal(block, key, branches)
                block.set_projection(choice, known[key].solution(channels * block.group))

    def normal(
        self, block: ElasticBlock, choice: tuple[int, int], branches: list[Tensor]
    ) -> Normal:
        """Return the normal equations of the projection after a choice."""
        self.supernet.activate(block.choices[choice])
        moments = Moments()
        for x, branch in zip(self.inputs, branches, strict=True):
            moments.add(block.features(block.middle(x)), samples(branch))
        return moments.normal(block.sliced(choice[1]))

    def fit_kernels(self, block: ElasticBlock) -> None:
        """Set the filters of the smaller kernels."""
        smaller = {kernel for kernel, _ in block.choices} - {block.layer.kernel}
        if not smaller:
            return
        self.supernet.activate(block.full)
        conv = block.module.get_submodule("conv.depth_conv.conv")
        assert isinstance(conv, nn.Conv2d)
        products = PatchProducts(block.layer.kernel, conv.stride[0], int(conv.padding[0]))
        for x in self.inputs:
            products.add(block.before_depthwise(x))
        for kernel in smaller:
            conv.get_parameter(f"own_k{kernel}").copy_(products.fit(conv.weight, kernel))
