"""The arena of TFLite Micro for INT8 networks, in closed form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._arguments import checked
from optuna_ofa.costs._layer_sum import LayerSum, placements
from optuna_ofa.costs._memory_bounds import bounds_of
from optuna_ofa.costs._memory_plan import Integers, planned_bytes
from optuna_ofa.costs._micro_layer import (
    ALIGNMENT,
    EVAL_TENSOR,
    Buffer,
    MicroLayer,
    aligned,
    micro_layer,
)
from optuna_ofa.costs._micro_operators import Layers
from optuna_ofa.space import Layer, Matrix, SearchSpace

KILOBYTE = 1024  # as boards are labelled
MICRO_RUNTIME = "tflite-micro 0.dev20261023182759"
_INTERPRETER = 504  # the allocator's, planner's and interpreter's own structs
_HANDLE = 24  # of a scratch buffer
_INPUT = 96  # TfLiteTensor with its quantization, of the network's input and of its output
_POINTER = 8
# Networks planned at a time: their buffers stay in the processor's cache
_CHUNK = 512
_SUMS = ("n_operators", "last_read", "n_structs", "n_kernels", "first_kernel", "n_scratch")
_ABSENT = MicroLayer((), 0, 0, 0, 0, 0, frozenset())
_LATE = 1 << 20  # scratch buffers are added after all tensors


class ArenaTable:
    """The arenas of networks that are made of given layers.

    Args:
        layers: The layers that can occur.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        added = [_ABSENT, *map(micro_layer, layers)]
        self._inputs = np.array([0, *(aligned(x.in_channels * x.in_size**2) for x in layers)])
        width = max(len(one.buffers) for one in added)
        self._buffers = np.array([_columns(one, width) for one in added])  # (layers, 4, width)
        shared = sorted(frozenset().union(*(one.shared for one in added)))
        self._shared = np.array([[name in one.shared for name in shared] for one in added])
        self._numbers = {name: np.array([getattr(one, name) for one in added]) for name in _SUMS}
        self._bounds = bounds_of(self._buffers, self._inputs, self._numbers["last_read"])

    def __call__(self, indices: NDArray[np.int64]) -> Integers:
        """Return the arenas.

        Args:
            indices: ``(n_slots, n)``: at each position of each network its layer, counted from 1;
                0 where there is none.

        Returns:
            ``(n,)`` bytes.
        """
        return self._planned(indices) + self._persistent(indices)

    def _planned(self, indices: NDArray[np.int64]) -> Integers:
        """Return the non-persistent part: what the planner needs."""
        counts = self._numbers["n_operators"][indices]
        begins = np.cumsum(counts, axis=0) - counts + 1  # operator 0 is the network's input
        is_present = indices > 0
        size, first, last, scratch = np.moveaxis(self._buffers[indices], 2, 0)
        # the output of a layer is read last by the next one that is present
        reads = np.empty_like(begins)
        following = counts.sum(axis=0)
        for s in range(len(indices) - 1, -1, -1):
            reads[s] = following
            own = begins[s] + self._numbers["last_read"][indices[s]]
            following = np.where(is_present[s], own, following)
        last = np.where(last < 0, reads[:, :, None], last + begins[:, :, None])
        first = first + begins[:, :, None]
        head = np.argmax(is_present, axis=0)
        inputs = self._inputs[indices[head, np.arange(indices.shape[1])]]
        none = np.zeros_like(inputs)
        sizes = _flat(size, inputs)
        sizes = np.where(sizes < self._bounds.least(indices, size, inputs), 0, sizes)
        ranks = np.arange(sizes.shape[1]) + _LATE * _flat(scratch, none)
        return planned_bytes(sizes, _flat(first, none), _flat(last, following), ranks)

    def _persistent(self, indices: NDArray[np.int64]) -> Integers:
        """Return the persistent part, in the order in which it is allocated."""
        sums = {name: values[indices].sum(axis=0) for name, values in self._numbers.items()}
        n_shared = sum(self._shared[indices, i].any(axis=0) for i in range(self._shared.shape[1]))
        structs = _INTERPRETER + sums["n_structs"] + EVAL_TENSOR * (1 + n_shared)
        head = indices[np.argmax(indices > 0, axis=0), np.arange(indices.shape[1])]
        first = self._numbers["first_kernel"][head]
        kernels = _aligned(structs + first) - _aligned(first) + sums["n_kernels"]
        # then handles of scratch buffers, and the input's and output's arrays and tensors
        end = _aligned(_HANDLE * sums["n_scratch"] + _POINTER) + _INPUT
        return np.asarray(kernels + _aligned(end + _POINTER) + _INPUT)


class ArenaBytes:
    """The arenas of the subnets of a space.

    Args:
        space: The search space.
    """

    def __init__(self, space: SearchSpace) -> None:
        layers = tuple(dict.fromkeys(one.layer for one in placements(space)))
        numbers = {layer: i + 1 for i, layer in enumerate(layers)}
        self.space = space
        self._numbers = LayerSum(space, lambda layer, _: numbers[layer])
        self._table = ArenaTable(layers)

    def __call__(self, matrix: Matrix) -> Integers:
        """Return the arenas, ``(n,)`` bytes.

        Args:
            matrix: ``(n, n_genes)`` genotypes, canonical or not.

        Raises:
            InvalidSubnetError: If a row does not belong to the space.
        """
        rows = self.space.canonicalize(self.space.check(matrix))
        found = np.zeros(len(rows), dtype=np.int64)
        for start in range(0, len(rows), _CHUNK):
            part = slice(start, start + _CHUNK)
            found[part] = self._table(self._numbers.parts(rows[part]).astype(np.int64))
        return found


@checked
def arena_bytes(layers: Layers) -> int:
    """Return the arena that TFLite Micro needs for a network as an INT8 file, for one image.

    It is what the interpreter of `MICRO_RUNTIME` reports on a 64-bit processor with its reference
    kernels: the plan of all activations and scratch buffers, and what is allocated for good. A
    microcontroller differs in two ways: pointers have 4 bytes, so the interpreter's structs are
    smaller, and the kernels of CMSIS-NN request more scratch buffers.

    Args:
        layers: All layers in order.

    Returns:
        The bytes, the same as `CostPredictor` gives for ``sram_kb`` times 1,024.

    Raises:
        InvalidArgumentError: If there is no layer.
    """
    return int(ArenaTable(layers)(np.arange(1, len(layers) + 1)[:, None])[0])


def _columns(one: MicroLayer, width: int) -> list[list[int]]:
    """Return size, first, last and scratch of the buffers, filled up with buffers of no size."""
    rows = [*one.buffers, *[Buffer(0, 0, 0)] * (width - len(one.buffers))]
    return [list(map(int, column)) for column in zip(*rows, strict=True)]


def _flat(array: Integers, of_input: Integers) -> Integers:
    """Return the buffers of a network in one row, that of its input first."""
    n = array.shape[1]
    rows = np.moveaxis(array, 1, 0).reshape(n, -1)
    return np.concatenate([of_input[:, None], rows], axis=1)


def _aligned(n_bytes: Integers) -> Integers:
    return -(-n_bytes // ALIGNMENT) * ALIGNMENT
