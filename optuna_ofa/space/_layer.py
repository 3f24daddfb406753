"""The layers of one network as plain values, from which costs and latencies follow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from optuna_ofa._values import MAX_PIXELS, number, whole
from optuna_ofa.exceptions import FormatError

LayerKind = Literal["conv", "mbconv", "bottleneck", "basic", "max_pool", "avg_pool", "linear"]
Downsample = Literal["avg_pool", "conv", "pad"]
PADDINGS = ("half", "same")
SQUEEZES = ("expanded", "input")
_WORDS: dict[str, tuple[str, ...]] = {
    "kind": get_args(LayerKind),
    "padding": PADDINGS,
    "squeeze": SQUEEZES,
    "downsample": get_args(Downsample),
}
MAX_CHANNELS = 2**16
MAX_KERNEL, MAX_STRIDE, MAX_EXPAND = 31, 8, 100
_LIMITS = {
    "in_channels": (1, MAX_CHANNELS),
    "out_channels": (1, 10**6),  # of a classifier, its classes
    "kernel": (1, MAX_KERNEL),
    "stride": (1, MAX_STRIDE),
    "in_size": (1, MAX_PIXELS),
    "out_size": (1, MAX_PIXELS),
}


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
        padding: ``"same"`` where a stride above 1 pads as `Family` says, else ``"half"``.
        downsample: How a ``bottleneck`` or ``basic`` block without ``shortcut`` carries its input
            on: by average pooling and a 1x1 convolution, by a strided 1x1 convolution, or by
            leaving out pixels and adding channels of zeros.
        squeeze: The kind of squeeze-and-excitation, as in `Family`, where there is one.
        bias: Whether a convolution without batch normalisation has a bias.
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
    padding: str = "half"
    downsample: Downsample = "avg_pool"
    squeeze: str = "expanded"
    bias: bool = False

    @property
    def expands(self) -> bool:
        """Whether it is an inverted residual that begins with a 1x1 convolution."""
        unchanged = self.expand == 1 and self.mid_channels == self.in_channels
        return self.kind == "mbconv" and not unchanged

    @property
    def ratio(self) -> float:
        """The expand ratio; of a block whose ``expand`` is a share, the actual one."""
        if self.kind not in ("bottleneck", "basic"):
            is_share = self.expands and self.expand <= 1
            return self.mid_channels / self.in_channels if is_share else self.expand
        # a ratio gives these channels up to rounding to a multiple of eight
        is_share = abs(self.mid_channels - self.expand * self.out_channels) >= 8
        return self.mid_channels / self.out_channels if is_share else self.expand

    @property
    def pads(self) -> tuple[int, int]:
        """Pixels of padding of the convolution with the kernel: before the map and after it."""
        return padding(self.in_size, self.kernel, self.stride, self.padding)


def padding(size: int, kernel: int, stride: int, kind: str) -> tuple[int, int]:
    """Return the pixels that a convolution adds to a map of a size, before it and after it."""
    if kind == "half":
        return kernel // 2, kernel // 2
    missing = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return missing // 2, missing - missing // 2


def layer_from_dict(data: Mapping[str, Any]) -> Layer:
    """Read what `dataclasses.asdict` gave of a layer.

    Raises:
        FormatError: If a field is missing or unknown, or is not what it has to be.
    """
    try:
        layer = Layer(**data)
    except TypeError as error:
        raise FormatError(f"A layer must have the fields of one, but: {error}.") from error
    require_layer(layer)
    return layer


def require_layer(layer: Layer) -> None:
    """Refuse a layer out of a file that no network can have.

    Raises:
        FormatError: With the field.
    """
    for name, (least, most) in _LIMITS.items():
        whole(getattr(layer, name), f"`{name}` of a layer", least=least, most=most)
    number(layer.expand, "`expand` of a layer", least=0, most=MAX_EXPAND)
    for field in fields(Layer):
        kind = {"bool": bool, "str": str}.get(str(field.type))
        if kind is not None and type(getattr(layer, field.name)) is not kind:
            raise FormatError(
                f"`{field.name}` of a layer must be {kind.__name__}, but is "
                f"{getattr(layer, field.name)!r:.100}."
            )
    for name, known in _WORDS.items():
        if getattr(layer, name) not in known:
            raise FormatError(
                f"`{name}` of a layer must be one of {', '.join(known)}, but is "
                f"{getattr(layer, name)!r:.100}."
            )
    widest = max(layer.in_channels, layer.out_channels)
    whole(layer.mid_channels, "`mid_channels` of a layer", least=0, most=MAX_EXPAND * widest)
    unchanged = layer.in_channels == layer.out_channels and layer.in_size == layer.out_size
    if layer.shortcut and not unchanged:
        raise FormatError(f"A layer with a shortcut must keep its shape, but one is {layer}.")
    padded = layer.downsample == "pad" and not layer.shortcut
    if padded and layer.out_channels < layer.in_channels:
        raise FormatError(f"A layer that pads with zeros must not lose channels, as {layer} does.")
