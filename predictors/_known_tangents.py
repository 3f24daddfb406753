"""Tangents of models at the subnets from which a search breeds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.space import Matrix, keys_of

Array = NDArray[Any]  # of single or double precision


class KnownTangents:
    """Tangents of anchors, cached because a search repeats most anchors from call to call.

    Args:
        tangents: Takes inputs, ``(n, n_inputs)``, and returns the value and its derivative by each
            input, ``(n, 1 + n_inputs)``.
    """

    def __init__(self, tangents: Callable[[Array], Array]) -> None:
        self._tangents = tangents
        # the index of each anchor by its key, and the tangents; one attribute, for thread safety
        self._before: tuple[dict[int, int], Array] = ({}, np.empty(0))

    def __call__(self, anchors: Matrix, inputs: Array) -> Array:
        """Return the tangents, ``(n, 1 + n_inputs)``.

        Args:
            anchors: ``(n, n_genes)`` canonical genotypes.
            inputs: ``(n, n_inputs)`` the inputs of the model for them.
        """
        tangents = np.empty((len(inputs), 1 + inputs.shape[1]), dtype=inputs.dtype)
        places, before = self._before
        keys = keys_of(anchors).tolist()
        place = np.array([places.get(key, -1) for key in keys], dtype=np.intp)
        known, new = np.flatnonzero(place >= 0), np.flatnonzero(place < 0)
        if len(known):
            tangents[known] = before[place[known]]
        if len(new):
            tangents[new] = self._tangents(inputs[new])
        self._before = {key: i for i, key in enumerate(keys)}, tangents
        return tangents
