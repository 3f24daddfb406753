"""The weights of a graph, provided in the order in which its layers are written."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[np.float32]


class Weights(Protocol):
    """A source of weights."""

    def conv(self, shape: tuple[int, ...], *, bias: bool) -> tuple[Array, Array | None]:
        """Return weights ``(out, in / groups, kernel, kernel)`` and a bias ``(out,)``, if any."""

    def linear(self, n_in: int, n_out: int) -> tuple[Array, Array]:
        """Return weights ``(n_out, n_in)`` and a bias ``(n_out,)``."""


class RandomWeights:
    """Random weights that keep the magnitude of activations roughly constant.

    Args:
        seed: Seed.
    """

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def conv(self, shape: tuple[int, ...], *, bias: bool) -> tuple[Array, Array | None]:
        """Return weights, and a small bias if there is one."""
        weight = self._normal(shape, int(np.prod(shape[1:])))
        return weight, self._normal(shape[:1], 100) if bias else None

    def linear(self, n_in: int, n_out: int) -> tuple[Array, Array]:
        """Return weights, and a bias of zeros."""
        return self._normal((n_out, n_in), n_in), np.zeros(n_out, np.float32)

    def _normal(self, shape: tuple[int, ...], fan_in: int) -> Array:
        scale = np.float32((2 / fan_in) ** 0.5)  # He
        return self._rng.standard_normal(shape, dtype=np.float32) * scale


class NetWeights:
    """The weights of a plain network with its modules in the order of its layers.

    Args:
        net: The network, with batch normalisation folded.
    """

    def __init__(self, net: nn.Module) -> None:
        self._modules = (m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear))

    def conv(self, shape: tuple[int, ...], *, bias: bool) -> tuple[Array, Array | None]:
        """Return the weights of the next module."""
        module = next(self._modules)
        assert module.weight.shape == shape
        assert (module.bias is not None) == bias
        return _array(module.weight), None if module.bias is None else _array(module.bias)

    def linear(self, n_in: int, n_out: int) -> tuple[Array, Array]:
        """Return the weights of the next module."""
        module = next(self._modules)
        assert module.weight.shape == (n_out, n_in)
        assert module.bias is not None
        return _array(module.weight), _array(module.bias)


def _array(tensor: Tensor) -> Array:
    return np.asarray(tensor.detach().cpu().float().numpy())
