"""Supernet families as tables: stages of elastic blocks between a fixed stem and a fixed head.

The numbers come from the published Once-for-All code (``ofa`` on PyPI,
``imagenet_classification/elastic_nn/networks``); a new family is a new table in ``_families.py``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import Any, Literal

from optuna_ofa._json_format import JsonFormat
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space._family_checks import check_table
from optuna_ofa.space._layer import Downsample
from optuna_ofa.space._parts import Head, Stage, Stem
from optuna_ofa.space._table import OPTIONAL, fields_of, fingerprint, to_table

FORMAT = JsonFormat("optuna_ofa.family", version=1)
GeneKind = Literal["resolution", "depth", "kernel", "expand", "width", "choice"]


@dataclass(frozen=True)
class Gene:
    """One column of a genotype matrix, and one Optuna parameter.

    Args:
        name: The parameter's readable name, ``"stage2.block1.kernel"``.
        kind: Kind of the choice.
        choices: All integers that the family allows, in ascending order.
        stage: Index of the stage (from 0), or -1 where the gene belongs to no stage.
        block: Index of the elastic block in the whole network (from 0), or -1.
        position: Position of the block in its stage (from 0), or -1.
        scale: Factor that turns an integer of the column into the published value: 0.01 for the
            expand ratios of ResNet50D (in percent), otherwise 1.
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
        return _scaled(integer, self.scale)

    def integer(self, value: float) -> int:
        """Return the integer of a published value."""
        return round(value / self.scale)

    @property
    def is_plain(self) -> bool:
        """Whether its integers are the published values themselves."""
        return self.scale == 1

    @property
    def is_conditional(self) -> bool:
        """Whether it has no effect in some subnets, where its integer is 0: those of blocks."""
        return self.position >= 0

    @property
    def is_ordered(self) -> bool:
        """Whether its choices have an order."""
        return True

    def find(self, value: Any) -> int | None:
        """Return the integer of a published value, up to rounding; None of any other value."""
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value):
            return None
        integer = self.integer(value)
        return integer if abs(self.value(integer) - value) < 1e-6 else None


def _scaled(integer: int, scale: float) -> int | float:
    """Return a number as a table has it: an integer where it is whole."""
    value = integer if scale == 1 else round(integer * scale, 4)
    return int(value) if value == int(value) else value


@dataclass(frozen=True, repr=False)
class Family:
    """One supernet family.

    A family is its table: two families are equal if everything except the aliases is. The order of
    choices does not matter.

    Args:
        name: The short name that users write, ``"ofa_mbv3_w1.2"``; a custom family needs one
            that no published family has.
        aliases: Other names of the same table; aliases of a published family are dropped from
            any other.
        architecture: ``name`` in ``net.config``: ``MobileNetV3``, ``ProxylessNASNets`` or
            ``ResNets``.
        block: The elastic block: ``"mbconv"`` (inverted residual; expand ratio relative to the
            input), ``"bottleneck"`` or ``"basic"`` (three and two convolutions of a ResNet;
            expand ratio relative to the output).
        resolutions: Input sizes that the supernet was trained for, in pixels.
        kernels: Kernel sizes; one choice means that kernels are not elastic.
        expands: Expand ratios as published, in whole percents (0.35); shares of the middle
            channels, up to 1, where the stages have `Stage.mid_channels`.
        width_mults: Width multipliers that the width genes choose from; one means fixed.
        stem: The stem.
        stages: The elastic stages.
        head: The head.
        bn_eps: Epsilon of every batch normalisation.
        in_channels: Channels of the input image.
        divisor: Middle channels of smaller blocks are rounded to a multiple of it.
        padding: ``"half"`` pads every convolution by half its kernel on each side; ``"same"`` as
            TensorFlow does, which differs where the stride is above 1: by one pixel less on the
            left and at the top of a map of even size. Both give maps of the same sizes.
        shortcut: How a ResNet's block that changes the shape carries its input on:
            ``"avg_pool"`` (average pooling and a 1x1 convolution), ``"conv"`` (a strided 1x1
            convolution) or ``"pad"`` (every ``stride``-th pixel, zeros as further channels).
        squeeze: Squeeze-and-excitation of ``mbconv`` blocks: ``"expanded"`` as in MobileNetV3, a
            quarter of the middle channels, ReLU and a hard sigmoid; ``"input"`` as in EfficientNet,
            a quarter of the block's input channels, SiLU and a sigmoid.

    Raises:
        InvalidArgumentError: If an entry breaks a rule, which the message names: an even kernel,
            duplicate choices, a stage that may be empty although its shapes need a block, an
            unknown activation, a published name with another table, and so on.
    """

    name: str
    aliases: tuple[str, ...] = field(default=(), compare=False, kw_only=True)
    architecture: str
    block: Literal["mbconv", "bottleneck", "basic"]
    resolutions: tuple[int, ...]
    kernels: tuple[int, ...]
    expands: tuple[float, ...]
    width_mults: tuple[float, ...]
    stem: Stem
    stages: tuple[Stage, ...]
    head: Head
    bn_eps: float = 1e-5
    in_channels: int = 3
    divisor: int = field(default=8, kw_only=True, metadata=OPTIONAL)
    padding: Literal["half", "same"] = field(default="half", kw_only=True, metadata=OPTIONAL)
    shortcut: Downsample = field(default="avg_pool", kw_only=True, metadata=OPTIONAL)
    squeeze: Literal["expanded", "input"] = field(
        default="expanded", kw_only=True, metadata=OPTIONAL
    )

    def __post_init__(self) -> None:
        check_table(self)

    def __hash__(self) -> int:  # hashing the whole table for every subnet would be slow
        return hash(self.name)

    def __repr__(self) -> str:
        return f"<Family {self.name}>"

    def __getstate__(self) -> dict[str, Any]:  # pickles stay small
        return fields_of(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the table, JSON-ready."""
        return to_table(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Family:
        """Read what `to_dict` returned.

        Raises:
            InvalidArgumentError: If it is not the table of a family, or breaks a rule.
        """
        try:
            stages = tuple(Stage(**stage) for stage in data["stages"])
            parts = {"stem": Stem(**data["stem"]), "stages": stages, "head": Head(**data["head"])}
            return cls(**{**data, **parts})
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidArgumentError(
                f"`data` must be the table of a family, but: {error!r:.200}."
            ) from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table as JSON for `get_family`; the file is written whole or not at all."""
        FORMAT.write(Path(path), {"family": self.to_dict()}, indent=1)

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of the table without its names, in 64 hexadecimal digits."""
        return fingerprint(self.to_dict())

    @property
    def noun(self) -> str:
        """What a row is called in pages and figures."""
        return "subnet"

    @property
    def total_stride(self) -> int:
        """Number of input pixels, along a side, per pixel of the last feature map."""
        pooled = 2 if self.block != "mbconv" and self.stem.pool else 1
        return self.stem.stride * pooled * math.prod(stage.stride for stage in self.stages)

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
        return _scaled(integer, self.expand_scale)

    @cached_property
    def depth_choices(self) -> tuple[tuple[int, ...], ...]:
        """Choices of each entry of ``Subnet.depth``: the stem's, if any, then the stages'."""
        stem = (self.stem.depths,) if self.stem.depths else ()
        return stem + tuple(stage.depths for stage in self.stages)

    @cached_property
    def kernel_choices(self) -> tuple[tuple[int, ...], ...]:
        """Choices of each entry of ``Subnet.kernel``: up to the kernel of the block's stage."""
        if self.block != "mbconv":
            return ()
        largest = [self.stages[s].kernel or max(self.kernels) for s, _ in self.block_positions]
        return tuple(tuple(k for k in self.kernels if k <= most) for most in largest)

    @cached_property
    def block_positions(self) -> tuple[tuple[int, int], ...]:
        """``(stage, position)`` of each elastic block, both from 0."""
        return tuple((s, p) for s, stage in enumerate(self.stages) for p in range(stage.max_blocks))

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """The columns of a genotype: resolution, depths, kernels, expand ratios, widths.

        Depths and widths that cannot vary have no gene.
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
            genes += self._block_genes("kernel", self.kernel_choices, 1)
        genes += self._block_genes("expand", (self.expands,) * self.n_blocks, self.expand_scale)
        if len(self.width_mults) > 1:
            widths = tuple(range(len(self.width_mults)))
            names = ["stem.mid_width", "stem.width"]
            names += [f"stage{s + 1}.width" for s in range(len(self.stages))]
            genes += [Gene(name, "width", widths, stage=i - 2) for i, name in enumerate(names)]
        return tuple(genes)

    def _block_genes(
        self, kind: Literal["kernel", "expand"], values: tuple[tuple[float, ...], ...], scale: float
    ) -> list[Gene]:
        choices = [tuple(round(v / scale) for v in of_block) for of_block in values]
        return [
            Gene(f"stage{s + 1}.block{p + 1}.{kind}", kind, choices[block], s, block, p, scale)
            for block, (s, p) in enumerate(self.block_positions)
        ]

    def columns(self, kind: GeneKind) -> tuple[int, ...]:
        """Return the columns of a genotype that hold genes of ``kind``."""
        return tuple(j for j, gene in enumerate(self.genes) if gene.kind == kind)
