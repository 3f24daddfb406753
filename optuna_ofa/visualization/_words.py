"""Layers in words, for hovering."""

from __future__ import annotations

from optuna_ofa.space import Layer


def layer_words(layer: Layer) -> str:
    """A layer in three lines: what it is, its channels and sizes, and what belongs to it."""
    kind = layer.role.replace("_", " ")
    if layer.role == "block":
        kind = f"{layer.kernel}x{layer.kernel} block, expand ratio {layer.expand:g}"
    elif layer.kind == "conv":
        kind += f": {layer.kernel}x{layer.kernel} convolution"
    mid = f" → {layer.mid_channels:,}" if layer.mid_channels else ""
    channels = f"{layer.in_channels:,}{mid} → {layer.out_channels:,} channels"
    extras = [f"stride {layer.stride}"] if layer.stride > 1 else []
    extras += [layer.act] if layer.act else []
    extras += ["squeeze-and-excitation"] if layer.use_se else []
    extras += ["shortcut"] if layer.shortcut else []
    lines = [kind, f"{channels}, {layer.in_size} → {layer.out_size} px", ", ".join(extras)]
    return "<br>".join(line for line in lines if line)
