"""Values and slopes at the anchors of local models."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from optuna_ofa.predictors._blocks import in_blocks
from optuna_ofa.space._space import Matrix

# Few anchors are new in a generation.
_BLOCK = 32


class KnownTangents:
    """Tangents of anchors, most of which were those of the last call in a search.

    Args:
        tangents: Takes a block of inputs, ``(n, n_inputs)``, and returns the value and its
            derivative by each input, ``(n, 1 + n_inputs)``.
    """

    def __init__(self, tangents: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._tangents = tangents
        self._before: tuple[Matrix, torch.Tensor] | None = None

    def __call__(self, anchors: Matrix, inputs: torch.Tensor) -> torch.Tensor:
        """``(n, 1 + n_inputs)``.

        Args:
            anchors: ``(n, n_genes)`` canonical genotypes.
            inputs: ``(n, n_inputs)`` what the model sees of them.
        """
        tangents = torch.empty(len(inputs), 1 + inputs.shape[1], dtype=inputs.dtype)
        before = self._before
        places = {row.tobytes(): i for i, row in enumerate(before[0])} if before else {}
        place = np.array([places.get(row.tobytes(), -1) for row in anchors], dtype=np.intp)
        known, new = np.flatnonzero(place >= 0), np.flatnonzero(place < 0)
        if before and len(known):
            tangents[known] = before[1][place[known]]
        if len(new):
            tangents[new] = in_blocks(self._tangents, inputs[new], _BLOCK)
        self._before = anchors.copy(), tangents
        return tangents
