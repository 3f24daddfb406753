"""The layers of one network as plain values, from which costs and latencies follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LayerKind = Literal["conv", "mbconv", "bottleneck", "max_pool", "avg_pool", "linear"]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer or block with everything that can affect its cost.

    Args:
        role: Its place in the network: ``stem``, ``stem_skip``, ``stem_out``, ``block``,
            ``final_expand``, ``pool``, ``feature_mix`` or ``classifier``.
        kind: Type of the layer.
        in_channels: Input channels.
        out_channels: Output channels.
        mid_channels: Channels between the first and the last convolution of a block, else 0.
        kernel: Kernel size.
        stride: Stride.
        in_size: Height and width of the input in pixels.
        out_size: Height and width of the output in pixels.
        expand: Expand ratio as published; 0 if the layer is not a block.
        act: Activation; empty for none.
        use_se: Whether there is squeeze-and-excitation.
        shortcut: Whether the input is added to the output unchanged.
        use_bn: Whether (the last convolution of) the layer has batch normalisation.
    """

    role: str
    kind: LayerKind
    in_channels: int
    out_channels: int
    in_size: int
    out_size: int
    mid_channels: int = 0
    kernel: int = 1
    stride: int = 1
    expand: float = 0
    act: str = ""
    use_se: bool = False
    shortcut: bool = False
    use_bn: bool = True
