"""How accuracies and their noise depend on the resolution of the images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Accuracy falls linearly with this power of the resolution.
POWER = -2.6
# The law is one of few weights, so it has a large feature and is hardly shrunk. Where several
# resolutions were measured, small ramps correct it, whose squares sum to that of `_RAMPS`.
_LAW, _RAMPS = 10.0, 0.25
_MOST_LEVELS = 4


class ResolutionLaw:
    """Features of a resolution for linear models, and the levels between which noise changes.

    The first feature is the law above, from -10 at the smallest resolution to 0 at the largest, so
    that a fit to some resolutions predicts others. The others are small ramps from each resolution
    to the next: with a penalty on their squared weights, what they add is constant outside of the
    measured resolutions and linear between them (a random walk). Noise has at most four levels.
    One resolution has no features, and one level.

    Args:
        resolutions: Input sizes of a space in pixels, ascending.
    """

    def __init__(self, resolutions: Sequence[int]) -> None:
        pixels = np.asarray(resolutions, dtype=float)
        self._edges = np.log(pixels)
        places = np.linspace(0, len(pixels) - 1, min(len(pixels), _MOST_LEVELS))
        self._levels = self._edges[places.round().astype(int)]
        self._smallest, self._largest = pixels[0], pixels[-1]

    @property
    def n_levels(self) -> int:
        """Number of levels."""
        return len(self._levels)

    @property
    def n_features(self) -> int:
        """Number of features: the law, and the ramps."""
        return 0 if self.n_levels == 1 else len(self._edges)

    def __call__(self, pixels: NDArray[np.int16]) -> Array:
        """Return ``(n, n_features)`` numbers."""
        if self.n_levels == 1:
            return np.empty((len(pixels), 0))
        fall = (pixels / self._largest) ** POWER - 1
        law = -fall / ((self._smallest / self._largest) ** POWER - 1)
        steps = np.diff(self._edges)
        scales = _RAMPS * np.sqrt(steps / steps.sum())
        return np.column_stack([_LAW * law, scales * _ramps(pixels, self._edges)])

    def shares(self, pixels: NDArray[np.int16]) -> Array:
        """Return how near each resolution is to each level, ``(n, n_levels)``; they sum to 1."""
        n = len(pixels)
        passed = np.column_stack([np.ones(n), _ramps(pixels, self._levels), np.zeros(n)])
        return passed[:, :-1] - passed[:, 1:]


def _ramps(pixels: NDArray[np.int16], edges: Array) -> Array:
    """Return how far each resolution is from each edge to the next, from 0 to 1."""
    logs = np.log(pixels.astype(float))[:, None]
    return np.asarray(np.clip((logs - edges[:-1]) / np.diff(edges), 0, 1))
