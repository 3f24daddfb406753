"""Supernet families as tables: stages of elastic blocks between a fixed stem and a fixed head.

The numbers come from the published Once-for-All code (``ofa`` on PyPI,
``imagenet_classification/elastic_nn/networks``); a new family is a new table in ``_families.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from optuna_ofa.exceptions import InvalidArgumentError

GeneKind = Literal["resolution", "depth", "kernel", "expand", "width"]


def make_divisible(value: float, divisor: int = 8) -> int:
    """Round a number of channels to a multiple of ``divisor``, never below 90 % of ``value``."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


@dataclass(frozen=True)
class Gene:
    """One column of a genotype matrix, and one Optuna parameter.

    Args:
        name: The parameter's readable name, ``"stage2.block1.kernel"``.
        kind: Kind of the choice.
        choices: All integers that the family allows, ascending.
        stage: Index of the stage (from 0), or -1 where the gene belongs to no stage.
        block: Index of the elastic block in the whole network (from 0), or -1.
        position: Position of the block in its stage (from 0), or -1.
        scale: Factor of an integer of the column that gives the published value.
            Expand ratios of ResNet50D are in percent (0.01), everything else is 1.
    """

    name: str
    kind: GeneKind
    choices: tuple[int, ...]
    stage: int = -1
    block: int = -1
    position: int = -1
    scale: float = 1

    def value(self, integer: int) -> int | float:
        """Return the published value of an integer: 7 for a kernel, 0.35 for an expand ratio."""
        return integer if self.scale == 1 else round(integer * self.scale, 4)

    def integer(self, value: float) -> int:
        """Return the integer of a published value."""
        return round(value / self.scale)


@dataclass(frozen=True)
class Stage:
    """A run of blocks with one output width; the first one has the stride.

    Args:
        out_channels: One number of channels for each choice of the width gene (one if fixed).
        stride: Stride of the first block.
        act: Activation, ``"relu"``, ``"relu6"`` or ``"h_swish"``.
        use_se: Whether the blocks have squeeze-and-excitation.
        base_depth: Blocks that are there whatever the depth gene says.
        depths: Choices of the depth gene; its value is added to ``base_depth``.
    """

    out_channels: tuple[int, ...]
    stride: int
    act: str
    use_se: bool = False
    base_depth: int = 0
    depths: tuple[int, ...] = (2, 3, 4)

    @property
    def max_blocks(self) -> int:
        """Number of blocks of the largest subnet."""
        return self.base_depth + max(self.depths)


@dataclass(frozen=True)
class Stem:
    """The layers before the first elastic block.

    For ``mbconv`` families: conv3x3 and one MBConv with expand ratio 1. For ``bottleneck``
    families: conv3x3 (stride 2), a residual conv3x3 that the depth gene of the stem may skip,
    conv3x3 and a 3x3 max pooling of stride 2.

    Args:
        conv_channels: Output channels of the first convolution, for each width choice.
        out_channels: Output channels of the stem, for each width choice.
        act: Activation of the first convolution.
        stride: Stride of the first convolution.
        block_act: Activation of the MBConv.
        depths: Choices of the stem's depth gene, empty where it has none.
    """

    conv_channels: tuple[int, ...]
    out_channels: tuple[int, ...]
    act: str
    stride: int = 2
    block_act: str = "relu"
    depths: tuple[int, ...] = ()


@dataclass(frozen=True)
class Head:
    """The layers after the last block; 0 channels means that the layer is absent.

    Args:
        final_expand_channels: 1x1 convolution with batch normalisation, before the pooling.
        feature_mix_channels: 1x1 convolution; after the pooling and without batch normalisation
            where there is a final expand layer, before it and with one otherwise.
        act: Activation of both.
        n_classes: Outputs of the classifier.
    """

    final_expand_channels: int
    feature_mix_channels: int
    act: str
    n_classes: int = 1000


@dataclass(frozen=True, repr=False)
class Family:
    """One supernet family.

    Args:
        name: The short name that users write, ``"ofa_mbv3_w1.2"``.
        aliases: Published names of the same family.
        architecture: ``name`` in ``net.config``: ``MobileNetV3``, ``ProxylessNASNets`` or
            ``ResNets``.
        block: The elastic block: ``"mbconv"`` (inverted residual; expand ratio relative to the
            input) or ``"bottleneck"`` (expand ratio relative to the output).
        resolutions: Input sizes in pixels that the supernet was trained for.
        kernels: Kernel sizes; one choice means that kernels are not elastic.
        expands: Expand ratios, as published; whole percents.
        width_mults: Width multipliers that the width genes choose from; one means fixed.
        stem: The stem.
        stages: The elastic stages.
        head: The head.
        bn_eps: Epsilon of every batch normalisation.
        in_channels: Channels of the input image.

    Raises:
        InvalidArgumentError: If an expand ratio has more than two decimals, an ``mbconv`` family
            has elastic widths, or a ``bottleneck`` family has a fixed width or depth.
    """

    name: str
    aliases: tuple[str, ...]
    architecture: str
    block: Literal["mbconv", "bottleneck"]
    resolutions: tuple[int, ...]
    kernels: tuple[int, ...]
    expands: tuple[float, ...]
    width_mults: tuple[float, ...]
    stem: Stem
    stages: tuple[Stage, ...]
    head: Head
    bn_eps: float = 1e-5
    in_channels: int = 3

    def __post_init__(self) -> None:
        if any(abs(e * 100 - round(e * 100)) > 1e-6 for e in self.expands):
            raise InvalidArgumentError(
                f"`expands` must be whole percents, such as 0.35, but got {self.expands}."
            )
        elastic = len(self.width_mults) > 1
        if elastic != (self.block == "bottleneck"):
            raise InvalidArgumentError(
                f"`width_mults` must be {'one' if elastic else 'several'} for {self.block} "
                f"blocks, but got {self.width_mults}."
            )
        depths = (self.stem.depths, *(stage.depths for stage in self.stages))
        if elastic and any(len(choices) < 2 for choices in depths):
            raise InvalidArgumentError(
                f"`depths` of the stem and of every stage must be several for {self.block} "
                f"blocks, but got {depths}."
            )

    def __hash__(self) -> int:  # hashing the whole table for every subnet would be slow
        return hash(self.name)

    def __repr__(self) -> str:
        return f"<Family {self.name}>"

    @property
    def n_blocks(self) -> int:
        """Number of elastic blocks of the largest subnet."""
        return sum(stage.max_blocks for stage in self.stages)

    @property
    def expand_scale(self) -> float:
        """1 where all expand ratios are integers, otherwise 0.01 (percent)."""
        return 1 if all(float(e).is_integer() for e in self.expands) else 0.01

    def expand_ratio(self, integer: int) -> float:
        """Return the published expand ratio of an integer of a genotype: 0.35 for 35 percent."""
        return integer if self.expand_scale == 1 else round(integer * self.expand_scale, 4)

    @cached_property
    def depth_choices(self) -> tuple[tuple[int, ...], ...]:
        """Choices of each entry of ``Subnet.depth``: the stem's, if any, then the stages'."""
        stem = (self.stem.depths,) if self.stem.depths else ()
        return stem + tuple(stage.depths for stage in self.stages)

    @cached_property
    def block_positions(self) -> tuple[tuple[int, int], ...]:
        """``(stage, position)`` of each elastic block, both from 0."""
        return tuple((s, p) for s, stage in enumerate(self.stages) for p in range(stage.max_blocks))

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """The columns of a genotype: resolution, depths, kernels, expand ratios, widths.

        A depth that cannot vary has no gene, nor has a width.
        """
        genes = [Gene("resolution", "resolution", self.resolutions)]
        if self.stem.depths:
            genes.append(Gene("stem.depth", "depth", self.stem.depths))
        genes += [
            Gene(f"stage{s + 1}.depth", "depth", stage.depths, stage=s)
            for s, stage in enumerate(self.stages)
            if len(stage.depths) > 1
        ]
        if self.block == "mbconv":
            genes += self._block_genes("kernel", self.kernels, 1)
        genes += self._block_genes("expand", self.expands, self.expand_scale)
        if len(self.width_mults) > 1:
            widths = tuple(range(len(self.width_mults)))
            names = ["stem.mid_width", "stem.width"]
            names += [f"stage{s + 1}.width" for s in range(len(self.stages))]
            genes += [Gene(name, "width", widths, stage=i - 2) for i, name in enumerate(names)]
        return tuple(genes)

    def _block_genes(
        self, kind: Literal["kernel", "expand"], values: tuple[float, ...], scale: float
    ) -> list[Gene]:
        choices = tuple(round(v / scale) for v in values)
        return [
            Gene(f"stage{s + 1}.block{p + 1}.{kind}", kind, choices, s, block, p, scale)
            for block, (s, p) in enumerate(self.block_positions)
        ]

    def columns(self, kind: GeneKind) -> tuple[int, ...]:
        """Return the columns of a genotype that hold genes of ``kind``."""
        return tuple(j for j, gene in enumerate(self.genes) if gene.kind == kind)
