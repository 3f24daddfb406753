"""The keys of layers in each kind of latency table.

Taken from the published files and from the code that wrote them, which is cited at each dialect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna_ofa.space import ARCHITECTURES, Layer

Shape = Sequence[int]


@dataclass(frozen=True)
class TableDialect:
    """The keys of one kind of table.

    Args:
        name: Name in our own files.
        architectures: ``Family.architecture`` of the nets that such a table can price.
        layer_types: Type in the key for each role of a layer; missing roles have no cost of
            their own, because another entry includes them.
        fields: The fields of a block's key after the shapes, each with the attribute of a layer
            that it holds: "expand" may be a ratio or a number of channels.
        stem_type: Type of the entries that show the resolutions of a table.
        logits_role: Role of the layer whose entry ends in the class scores.
        flat_logits: Whether the classifier's input is written as channels only.
        unusual: Further fields of any layer, left out where the function returns None.
    """

    name: str
    architectures: tuple[str, ...]
    layer_types: Mapping[str, str]
    fields: Mapping[str, Callable[[Layer], object]]
    stem_type: str
    logits_role: str = "classifier"
    flat_logits: bool = False
    unusual: Mapping[str, Callable[[Layer], object]] = field(default_factory=dict)

    def key(self, layer: Layer, n_classes: int) -> str | None:
        """Return the key of a layer of a network; None where another entry includes it."""
        layer_type = self.layer_types.get(layer.role)
        if layer_type is None:
            return None
        source: Shape = (layer.in_size, layer.in_size, layer.in_channels)
        output: Shape = (layer.out_size, layer.out_size, layer.out_channels)
        if layer.role == self.logits_role:
            source = source[2:] if self.flat_logits else source
            output = (n_classes,)
        fields = self.fields if layer.role == "block" else {}
        values = {name: of(layer) for name, of in fields.items()}
        unusual = {name: of(layer) for name, of in self.unusual.items()}
        values |= {name: value for name, value in unusual.items() if value is not None}
        return self.join(layer_type, source, output, values)

    def __reduce__(self) -> tuple[Any, ...]:  # functions are not pickled
        return dialect_of, (self.name,)

    @staticmethod
    def join(
        layer_type: str, input_shape: Shape, output_shape: Shape, fields: Mapping[str, object]
    ) -> str:
        """Assemble a key."""
        parts = [layer_type, f"input:{_times(input_shape)}", f"output:{_times(output_shape)}"]
        return "-".join(parts + [f"{name}:{value}" for name, value in fields.items()])


def _times(shape: Shape) -> str:
    return "x".join(str(n) for n in shape)


def _ratio(layer: Layer) -> object:
    return f"{layer.expand:g}"


_BLOCK: dict[str, Callable[[Layer], object]] = {
    "kernel": lambda layer: layer.kernel,
    "stride": lambda layer: layer.stride,
    "idskip": lambda layer: int(layer.shortcut),
}
_SE: dict[str, Callable[[Layer], object]] = {"se": lambda layer: int(layer.use_se)}
_MID: dict[str, Callable[[Layer], object]] = {"expand": lambda layer: layer.mid_channels}
# ofa/tutorial/latency_table.py; "expand" holds the number of middle channels
OFA = TableDialect(
    name="ofa",
    architectures=("MobileNetV3",),
    layer_types={
        "stem": "Conv",
        "block": "expanded_conv",
        "final_expand": "Conv_1",
        "pool": "AvgPool2D",
        "feature_mix": "Conv_2",
        "classifier": "Logits",
    },
    fields={**_MID, **_BLOCK, **_SE, "hs": lambda layer: int(layer.act == "h_swish")},
    stem_type="Conv",
)
# ofa/nas/efficiency_predictor/latency_lookup_table.py, ProxylessNASLatencyTable; "Logits" begins
# at the pooling's input
PROXYLESSNAS = TableDialect(
    name="proxylessnas",
    architectures=("ProxylessNASNets",),
    layer_types={
        "stem": "Conv",
        "block": "expanded_conv",
        "feature_mix": "Conv_1",
        "pool": "Logits",
    },
    fields={"expand": _ratio, **_BLOCK},
    stem_type="Conv",
    logits_role="pool",
)
# nsganetv2, evaluators/lut.py; "final_expand_layer" includes the pooling
NSGANETV2 = TableDialect(
    name="nsganetv2",
    architectures=("MobileNetV3",),
    layer_types={
        "stem": "first_conv",
        "block": "MBConv",
        "final_expand": "final_expand_layer",
        "feature_mix": "feature_mix_layer",
        "classifier": "classifier",
    },
    fields={"expand": _ratio, **_BLOCK, **_SE},
    stem_type="first_conv",
    flat_logits=True,
)
# what few families have: a table of another has the keys that it had before there were these
_UNUSUAL: dict[str, Callable[[Layer], object]] = {
    "kernel": lambda layer: layer.kernel if layer.role == "stem" and layer.kernel != 3 else None,
    "padding": lambda layer: layer.padding if layer.padding != "half" else None,
    "squeeze": lambda layer: layer.squeeze if layer.squeeze != "expanded" else None,
    "bias": lambda layer: 1 if layer.bias else None,
    "downsample": lambda layer: layer.downsample if layer.downsample != "avg_pool" else None,
}
# ours: every field of a layer that can affect its cost
LAYERS = TableDialect(
    name="layers",
    architectures=tuple(ARCHITECTURES),
    layer_types={
        role: role
        for role in (
            "stem",
            "stem_skip",
            "stem_out",
            "block",
            "final_expand",
            "pool",
            "feature_mix",
            "classifier",
        )
    },
    fields={
        "kind": lambda layer: layer.kind,
        "mid": lambda layer: layer.mid_channels,
        **_BLOCK,
        **_SE,
        "act": lambda layer: layer.act,
    },
    stem_type="stem",
    unusual=_UNUSUAL,
)
DIALECTS = (OFA, PROXYLESSNAS, NSGANETV2, LAYERS)


def dialect_of(name: str) -> TableDialect:
    """Return the dialect of a name."""
    return next(dialect for dialect in DIALECTS if dialect.name == name)
