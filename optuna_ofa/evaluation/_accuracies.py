"""The evaluated accuracies of many subnets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optuna_ofa.space import Matrix, SearchSpace

ACCURACY_METRICS = ("top1", "top5")


class Partial(NamedTuple):
    """The accuracy of a subnet whose evaluation stopped early, estimated from some of the images.

    Args:
        top1: Share of all images whose class has the largest logit, in percent, as estimated.
        top1_std: Its standard error in points, because the other images were not evaluated.
        n_images: Number of images that it was evaluated on.
        reason: Why it stopped: which subnet is better, by how much, with the standard error of that
            difference.
    """

    top1: float
    top1_std: float
    n_images: int
    reason: str


@dataclass(frozen=True, eq=False)
class Accuracies:
    """Evaluated accuracies of subnets on some images, in the order of the arguments.

    Args:
        space: The space of the matrix.
        matrix: ``(n, n_genes)`` canonical genotypes.
        top1: ``(n,)`` share of images whose class has the largest logit, in percent; NaN where
            a subnet failed or stopped early.
        top5: ``(n,)`` share of images whose class is among the five largest, in percent;
            100 where there are no more than five classes.
        n_images: ``(n,)`` images that a subnet was evaluated on; 0 where it failed.
        setup: Weights, images (number and SHA-256, if there is a database), calibration images
            (number and SHA-256) and so on: everything an accuracy depends on except the subnet.
        failures: Reasons why a subnet has no accuracy, by row.
        partial: The accuracies on some of the images of those subnets that stopped early, by row.
    """

    space: SearchSpace
    matrix: Matrix
    top1: NDArray[np.float64]
    top5: NDArray[np.float64]
    n_images: NDArray[np.float64]
    setup: Mapping[str, Any]
    failures: Mapping[int, str] = field(default_factory=dict)
    partial: Mapping[int, Partial] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.matrix)

    @property
    def top1_std(self) -> NDArray[np.float64]:
        """``(n,)`` standard errors of ``top1`` in points, with images as a random sample."""
        return standard_error(self.top1, self.n_images)


def standard_error(percent: ArrayLike, n: ArrayLike) -> NDArray[np.float64]:
    """Return the standard error of a share of images in points, ``100 sqrt(p (1 - p) / n)``."""
    p = np.asarray(percent, dtype=float) / 100
    return np.asarray(100 * np.sqrt(p * (1 - p) / np.maximum(n, 1)))
