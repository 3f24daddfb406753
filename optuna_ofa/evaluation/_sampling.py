"""Which images tell subnets apart, and samples of them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

# smallest probability that subnets differ on an image, and that which it is sampled with at least
_LEAST, _LEAST_SAMPLED = 2e-5, 0.002
# images on which two subnets differ less often: too rarely to see in a sample how much that varies
_RARE = 0.05
# what the spread of all images counts, in images, beside the spread of one
_PRIOR = 4


def disagreement(margins: NDArray[np.float32]) -> NDArray[np.float16]:
    """Estimate how likely one of two subnets is right on an image and the other is not, ``(n,)``.

    The margin of an image in another subnet is taken to be normal, with the mean over some
    subnets and a standard deviation between that of the image and that of all close images.

    Args:
        margins: ``(k, n)`` how much larger the logit of the right class is than any other, in at
            least two subnets.
    """
    given = margins.astype(np.float64)
    mean, own = given.mean(axis=0), given.var(axis=0, ddof=1)
    close = np.abs(mean) <= np.quantile(np.abs(mean), 0.2)
    freedom = len(given) - 1
    variance = (freedom * own + _PRIOR * own[close].mean()) / (freedom + _PRIOR)
    # images without any spread are decided by the sign of their mean
    std = np.sqrt(np.maximum(variance, np.finfo(np.float32).tiny))
    p = _normal_cdf(mean / std)
    return np.asarray(np.clip(2 * p * (1 - p), _LEAST, 0.5), dtype=np.float16)


def _normal_cdf(z: ArrayLike) -> Array:
    return np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in np.ravel(z)])


class Sampling:
    """One fixed order of images whose every beginning is a sample of known probabilities.

    Images on which subnets are likely to differ come earlier, as in sequential Poisson sampling
    (Ohlsson 1998): by a uniform random number divided by the square root of the probability, which
    minimises the variance of differences. The sums of a sample, each image divided by its
    probability of being in it (Horvitz and Thompson 1952), are unbiased for all images.

    Args:
        differs: ``(n,)`` how likely two subnets differ on an image, in a random order.
    """

    def __init__(self, differs: NDArray[np.float16]) -> None:
        self.differs: NDArray[np.float64] = differs.astype(np.float64)
        uniform = (np.arange(len(differs)) + 0.5) / len(differs)
        self._weights = np.sqrt(np.maximum(self.differs, _LEAST_SAMPLED))
        self.places: NDArray[np.intp] = np.argsort(uniform / self._weights, kind="stable")

    def __len__(self) -> int:
        return len(self.places)

    def probabilities(self, n: int) -> Array:
        """Return the probability of each image to be among the first ``n``, in their order."""
        weights = np.sort(self._weights)[::-1]
        rest = np.cumsum(weights[::-1])[::-1]
        scales = (n - np.arange(n)) / rest[:n]  # after that many that are certain
        scale = scales[np.argmax(scales * weights[:n] <= 1 + 1e-12)]
        return np.asarray(np.minimum(1.0, scale * self._weights)[self.places])

    def unseen_variance(self, n: int) -> float:
        """Return the expected variance, in images squared, from images that rarely differ.

        It is that of the sum over the first ``n`` images of one subnet.
        """
        differs, chances = self.differs[self.places], self.probabilities(n)
        variances = differs / 2 * (1 - chances) / chances
        return float(variances[differs < _RARE].sum())
