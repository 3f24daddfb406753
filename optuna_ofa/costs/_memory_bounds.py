"""Which buffers decide on a plan of memory, from bounds of each layer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.costs._memory_plan import Integers


class Bounds(NamedTuple):
    """Bounds of the plans of networks, by layer.

    A buffer ends at most at its own size, plus for each one of at least that size that is alive at
    the same time the size of that one and of a gap that was too small. It does not matter if that
    is less than what is alive at some time, which no plan can be below. Smaller buffers are placed
    after all that matter, and can be left out.

    Args:
        ends: ``(n_layers, n_buffers)`` the largest end of each buffer of a layer; of its output
            without what the next layer adds.
        of_input: ``(n_layers,)`` what a layer adds to the largest end of its input.
        peaks: ``(n_layers,)`` the most bytes that are alive while a layer is computed.
        is_output: ``(n_layers, n_buffers)`` whether a buffer is the output of a layer.
    """

    ends: Integers
    of_input: Integers
    peaks: Integers
    is_output: NDArray[np.bool_]

    def least(self, indices: NDArray[np.int64], sizes: Integers, inputs: Integers) -> Integers:
        """Return the size of the smallest buffer that matters in each network.

        Args:
            indices: ``(n_slots, n)`` layers, 0 where there is none.
            sizes: ``(n_slots, n, n_buffers)`` bytes of their buffers.
            inputs: ``(n,)`` bytes of the networks' inputs.

        Returns:
            ``(n, 1)`` bytes.
        """
        peaks = self.peaks[indices].max(axis=0)
        added = np.zeros(indices.shape[1], dtype=np.int64)
        least = np.full(indices.shape[1], np.iinfo(np.int64).max)
        for s in range(len(indices) - 1, -1, -1):
            layers = indices[s]
            ends = self.ends[layers] + self.is_output[layers] * added[:, None]
            matters = (ends >= peaks[:, None]) & (sizes[s] > 0)
            low = np.where(matters, sizes[s], np.iinfo(np.int64).max).min(axis=1)
            least = np.minimum(least, low)
            added = np.where(layers > 0, self.of_input[layers], added)
        least = np.where(inputs + added >= peaks, np.minimum(least, inputs), least)
        return np.asarray(least[:, None])


def bounds_of(buffers: Integers, inputs: Integers, last_read: Integers) -> Bounds:
    """Return the bounds.

    Args:
        buffers: ``(n_layers, 4, n_buffers)`` sizes, first and last operators, and whether it is
            memory of a kernel; the last operator of the output is -1.
        inputs: ``(n_layers,)`` bytes of the input of each layer.
        last_read: ``(n_layers,)`` the operator that reads it last.
    """
    is_output = buffers[:, 2] < 0
    sizes = np.concatenate([inputs[:, None], buffers[:, 0]], axis=1)
    start = np.full((len(inputs), 1), -1)
    first = np.concatenate([start, buffers[:, 1]], axis=1)
    end = buffers[:, 1].max(axis=1, keepdims=True)
    last = np.where(is_output, end, buffers[:, 2])
    last = np.concatenate([last_read[:, None], last], axis=1)
    # pairs of buffers of a layer: (n_layers, n_buffers + 1, n_buffers + 1)
    own, other = sizes[:, :, None], sizes[:, None, :]
    starts_before = first[:, None, :] <= first[:, :, None]
    together = (first[:, None, :] <= last[:, :, None]) & (last[:, None, :] >= first[:, :, None])
    together &= ~np.eye(sizes.shape[1], dtype=bool)
    above = np.where(together & (other >= own) & (own > 0), own + other, 0).sum(axis=2)
    alive = np.where(together & starts_before, other, 0).sum(axis=2) + sizes
    return Bounds(above[:, 1:] + buffers[:, 0], above[:, 0], alive.max(axis=1), is_output)
