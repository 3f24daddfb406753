"""The few physical terms that explain the cost of a network on most devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.costs import LayerSum, layer_operators
from optuna_ofa.space import Layer, Matrix, SearchSpace


class DeviceTerm(NamedTuple):
    """A quantity that adds up over the layers of a network.

    Args:
        name: The quantity.
        unit: The amount that is 1, as in "0.31 ms a block".
        of_layer: Takes a layer; returns its amount, at least 0.
    """

    name: str
    unit: str
    of_layer: Callable[[Layer], float]


def _is_block(layer: Layer) -> bool:
    return layer.kind in ("mbconv", "bottleneck", "basic")


def _macs(layer: Layer, *, depthwise: bool) -> float:
    found = (op for op in layer_operators(layer) if (op.name == "depthwise") == depthwise)
    return sum(op.n_macs for op in found) / 1e8


DEVICE_TERMS = (
    DeviceTerm("blocks", "a block", lambda x: float(_is_block(x))),
    DeviceTerm("squeeze-excite", "a squeeze-excite", lambda x: float(x.use_se)),
    DeviceTerm("h-swish", "a block with h-swish", lambda x: float(x.act == "h_swish")),
    DeviceTerm("SiLU", "a block with SiLU", lambda x: float(x.act == "silu")),
    DeviceTerm("multiply-adds", "per 100 M multiply-adds", lambda x: _macs(x, depthwise=False)),
    DeviceTerm(
        "depthwise multiply-adds",
        "per 100 M depthwise multiply-adds",
        lambda x: _macs(x, depthwise=True),
    ),
    DeviceTerm(
        "multiply-adds of kernel 7",
        "more per 100 M of them with kernel 7",
        lambda x: _macs(x, depthwise=True) if x.kernel >= 7 else 0.0,
    ),
    DeviceTerm(
        "activations",
        "per million activations read or written",
        lambda x: sum(op.n_read + op.n_written for op in layer_operators(x)) / 1e6,
    ),
    DeviceTerm(
        "weights",
        "per million weights",
        lambda x: sum(op.n_weights for op in layer_operators(x)) / 1e6,
    ),
)
# the price that terms have in common in simpler models; None for no price
_FEWER = {
    "depthwise multiply-adds": "multiply-adds",
    "multiply-adds of kernel 7": None,
    "activations": "moved",
    "weights": "moved",
}
_ALIKE = {"squeeze-excite": None, "h-swish": None, "SiLU": None}


class DeviceTerms:
    """Sums over layers of the quantities that most devices take time for.

    A term that is 0 for every layer of the space, such as squeeze-excite in ResNet50D, is left out.

    Args:
        space: The space of the matrices.
    """

    def __init__(self, space: SearchSpace) -> None:
        known: set[str] = set()

        def noted(term: DeviceTerm) -> LayerSum:
            def amount(layer: Layer, _: int) -> float:
                found = term.of_layer(layer)
                if found:
                    known.add(term.name)
                return found

            return LayerSum(space, amount)

        every = [(term, noted(term)) for term in DEVICE_TERMS]
        self.terms = tuple(term for term, _ in every if term.name in known)
        self.sums = tuple(total for term, total in every if term.name in known)
        self._space = space

    def __reduce__(self) -> tuple[Any, ...]:  # functions are not pickled
        return DeviceTerms, (self._space,)

    @property
    def merges(self) -> tuple[NDArray[np.float64], ...]:
        """Which terms have a price in common in simpler models, ``(n_terms, k)`` zeros and ones.

        All have their own; the multiply-adds have one, and what is moved; and in addition blocks
        cost the same whatever they contain.
        """
        return tuple(self._merge(common) for common in ({}, _FEWER, {**_FEWER, **_ALIKE}))

    def _merge(self, common: Mapping[str, str | None]) -> NDArray[np.float64]:
        own = [common.get(name, name) for name in self.names]
        kept = sorted({name for name in own if name is not None})
        return np.array([[float(name == other) for other in kept] for name in own])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the terms, one for each column."""
        return tuple(term.name for term in self.terms)

    @property
    def units(self) -> tuple[str, ...]:
        """The amount of each term that is 1, in words: ``"a block"``."""
        return tuple(term.unit for term in self.terms)

    def __call__(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return ``(n, n_terms)`` amounts, of at least 0; without a constant."""
        return np.stack([total(matrix) for total in self.sums], axis=1)
