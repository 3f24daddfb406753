"""The parts of a family's table: its stem, its stages and its head."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import _rules as rules
from optuna_ofa.space._layer import MAX_CHANNELS, MAX_KERNEL, MAX_STRIDE
from optuna_ofa.space._table import OPTIONAL

# largest number of blocks in a stage
MAX_BLOCKS = 100
ACTIVATIONS = ("relu", "relu6", "h_swish", "silu")


def make_divisible(value: float, divisor: int = 8) -> int:
    """Round a number of channels to a multiple of ``divisor``, never below 90 % of ``value``."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


@dataclass(frozen=True)
class Stage:
    """A run of blocks with one output width; the first one applies the stride.

    Args:
        out_channels: One number of channels for each choice of the width gene (one if fixed).
        stride: Stride of the first block.
        act: Activation, ``"relu"``, ``"relu6"``, ``"h_swish"`` or ``"silu"``.
        use_se: Whether the blocks have squeeze-and-excitation.
        base_depth: Blocks that are always present, regardless of the depth gene.
        depths: Choices of the depth gene; its value is added to ``base_depth``.
        mid_channels: Middle channels of each block of the largest subnet, of which the family's
            ``expands`` are shares (0.5, 1); empty where they are ratios of the block's channels.
        kernel: Largest kernel of the blocks, one of ``Family.kernels``, whose smaller ones can be
            chosen too; None for the family's largest.

    Raises:
        InvalidArgumentError: If a number is not positive, the activation is unknown, a depth
            occurs twice, the stage has no block, or ``mid_channels`` are not one for each.
    """

    out_channels: tuple[int, ...]
    stride: int
    act: str
    use_se: bool = False
    base_depth: int = 0
    depths: tuple[int, ...] = (2, 3, 4)
    mid_channels: tuple[int, ...] = field(default=(), metadata=OPTIONAL)
    kernel: int | None = field(default=None, metadata=OPTIONAL)

    def __post_init__(self) -> None:
        depths = rules.choices("depths", rules.integers("depths", self.depths, least=0))
        rules.assign(
            self,
            out_channels=rules.integers("out_channels", self.out_channels),
            stride=rules.integer("stride", self.stride, most=MAX_STRIDE),
            act=rules.text("act", self.act, ACTIVATIONS),
            use_se=rules.flag("use_se", self.use_se),
            base_depth=rules.integer("base_depth", self.base_depth, least=0),
            depths=depths,
        )
        if self.kernel is not None:
            rules.assign(self, kernel=rules.integer("kernel", self.kernel, most=MAX_KERNEL))
        if not 1 <= self.max_blocks <= MAX_BLOCKS:
            raise InvalidArgumentError(
                f"`depths` must have one above 0, and {MAX_BLOCKS} at most with `base_depth`, but "
                f"got {depths} with {self.base_depth}."
            )
        mid = rules.entries("mid_channels", self.mid_channels, least=0)
        if len(mid) not in (0, self.max_blocks):
            raise InvalidArgumentError(
                f"`mid_channels` must be one number for each of {self.max_blocks} blocks, or "
                f"empty, but got {mid}."
            )
        rules.assign(self, mid_channels=rules.integers("mid_channels", mid) if mid else ())

    @property
    def max_blocks(self) -> int:
        """Number of blocks of the largest subnet."""
        return self.base_depth + max(self.depths)


@dataclass(frozen=True)
class Stem:
    """The layers before the first elastic block.

    For ``mbconv`` families: conv3x3 and one MBConv with expand ratio 1. For ``bottleneck`` and
    ``basic`` families: conv3x3 (stride 2), a residual conv3x3 that the depth gene of the stem may
    skip, conv3x3 and a 3x3 max pooling of stride 2; or, with ``n_convs=1``, one convolution.

    Args:
        conv_channels: Output channels of the first convolution, for each width choice.
        out_channels: Output channels of the stem, for each width choice.
        act: Activation of the first convolution.
        stride: Stride of the first convolution.
        block_act: Activation of the MBConv.
        depths: Choices of the stem's depth gene, empty where it has none.
        kernel: Kernel size of the first convolution.
        n_convs: Number of convolutions before the blocks of ``bottleneck`` and ``basic`` families,
            3 or 1.
        pool: Whether a max pooling follows them.
        block_use_se: Whether the MBConv has squeeze-and-excitation.

    Raises:
        InvalidArgumentError: If a number is not positive, an activation is unknown, a depth
            occurs twice, the kernel is even, or there are not 1 or 3 convolutions.
    """

    conv_channels: tuple[int, ...]
    out_channels: tuple[int, ...]
    act: str
    stride: int = 2
    block_act: str = "relu"
    depths: tuple[int, ...] = ()
    kernel: int = field(default=3, metadata=OPTIONAL)
    n_convs: Literal[3, 1] = field(default=3, metadata=OPTIONAL)
    pool: bool = field(default=True, metadata=OPTIONAL)
    block_use_se: bool = field(default=False, metadata=OPTIONAL)

    def __post_init__(self) -> None:
        depths = rules.entries("depths", self.depths, least=0)
        rules.assign(
            self,
            conv_channels=rules.integers("conv_channels", self.conv_channels),
            out_channels=rules.integers("out_channels", self.out_channels),
            act=rules.text("act", self.act, ACTIVATIONS),
            stride=rules.integer("stride", self.stride, most=MAX_STRIDE),
            block_act=rules.text("block_act", self.block_act, ACTIVATIONS),
            kernel=rules.odd("kernel", self.kernel, most=MAX_KERNEL),
            block_use_se=rules.flag("block_use_se", self.block_use_se),
            pool=rules.flag("pool", self.pool),
            depths=rules.choices(
                "depths", [rules.integer(f"depths[{i}]", d, least=0) for i, d in enumerate(depths)]
            ),
        )
        if rules.integer("n_convs", self.n_convs) not in (1, 3):
            raise InvalidArgumentError(f"`n_convs` must be 1 or 3, but got {self.n_convs}.")


@dataclass(frozen=True)
class Head:
    """The layers after the last block; 0 channels means that the layer is absent.

    Args:
        final_expand_channels: 1x1 convolution with batch normalisation, before the pooling.
        feature_mix_channels: 1x1 convolution; after the pooling and without batch normalisation
            where there is a final expand layer, before it and with one otherwise.
        act: Activation of both.
        n_classes: Outputs of the classifier.
        mix_bias: Whether the second convolution has a bias, where it has no batch normalisation.

    Raises:
        InvalidArgumentError: If a number is negative, there is no class, or the activation is
            unknown.
    """

    final_expand_channels: int
    feature_mix_channels: int
    act: str
    n_classes: int = 1000
    mix_bias: bool = field(default=False, metadata=OPTIONAL)

    def __post_init__(self) -> None:
        rules.assign(
            self,
            final_expand_channels=rules.integer(
                "final_expand_channels", self.final_expand_channels, least=0, most=MAX_CHANNELS
            ),
            feature_mix_channels=rules.integer(
                "feature_mix_channels", self.feature_mix_channels, least=0, most=MAX_CHANNELS
            ),
            act=rules.text("act", self.act, ACTIVATIONS),
            n_classes=rules.integer("n_classes", self.n_classes),
            mix_bias=rules.flag("mix_bias", self.mix_bias),
        )
