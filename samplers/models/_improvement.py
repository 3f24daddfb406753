"""The choice among subnets with good estimates."""

from __future__ import annotations

import moocore
import numpy as np
from numpy.typing import NDArray

from optuna_ofa.fronts import Values, beyond, nondominated, promising


def pick_improving(
    values: Values, reachable: Values, std: Values, known: Values, believed: Values, n: int
) -> NDArray[np.intp]:
    """Pick points one by one, each time the one that may extend the front the most.

    A point is assumed to reach its optimistic estimate; the hypervolume that this would add is its
    score. Points already picked are assumed to reach their estimates, so that the next one lies
    elsewhere. If none can add anything, the least certain comes first.

    Args:
        values: ``(m, n_objectives)`` estimates, smaller is better.
        reachable: ``(m, n_objectives)`` optimistic estimates.
        std: ``(m, n_objectives)`` standard deviations of the estimates.
        known: ``(k, n_objectives)`` measured values, at least one point.
        believed: ``(l, n_objectives)`` estimates of the subnets that are being measured.
        n: How many to pick, at most ``m``.

    Returns:
        ``(n,)`` different indices, the most promising first.
    """
    front = known[nondominated(known)]
    ranges = _ranges(front, known)
    # beyond all, because what is behind the end of the measured front is as good as its middle
    reference = beyond(known, ranges)
    doubt = (std / ranges).sum(axis=1)
    front = _joined(front, believed)
    # a point's contribution never grows as others are picked, so most are not recomputed
    promise = _added(front, reachable, reference)
    fresh = np.ones(len(values), dtype=bool)
    picked: list[int] = []
    while len(picked) < n and promise.max() > 0:
        i = int(np.argmax(promise))
        if not fresh[i]:
            promise[i], fresh[i] = _added(front, reachable[i : i + 1], reference)[0], True
            continue
        picked.append(i)
        front = _joined(front, values[i : i + 1])
        promise[i], fresh[:] = -1.0, False
    left = np.setdiff1d(np.arange(len(values)), picked)
    picked += left[np.argsort(-doubt[left], kind="stable")][: n - len(picked)].tolist()
    return np.array(picked, dtype=np.intp)


def pick_along(values: Values, others: Values, n: int) -> NDArray[np.intp]:
    """Pick points along the front of estimates, its ends first, far from each other and others.

    Args:
        values: ``(m, n_objectives)`` estimates, smaller is better.
        others: ``(k, n_objectives)`` estimates of the subnets that were or are being measured.
        n: How many to pick, at most ``m``.

    Returns:
        ``(n,)`` different indices.
    """
    everyone = np.concatenate([values, others])
    return promising(everyone, np.zeros(len(everyone)), np.arange(len(everyone)) < len(values), n)


def _added(front: Values, points: Values, reference: Values) -> Values:
    """Return the hypervolume that each point alone adds to a front, ``(m,)``."""
    if len(reference) == 2:
        return _added_in_plane(front, points, reference)
    return np.array([_added_by_one(front, point, reference) for point in points])


def _added_in_plane(front: Values, points: Values, reference: Values) -> Values:
    """Return the area above the points and below the steps of a front."""
    front = front[(front < reference).all(axis=1)]
    front = front[np.argsort(front[:, 0], kind="stable")]
    sides = np.concatenate([[-np.inf], front[:, 0], reference[:1]])
    tops = np.concatenate([reference[1:], front[:, 1]])
    widths = sides[1:] - np.maximum(sides[:-1], points[:, :1])
    heights = tops - points[:, 1:]
    return np.asarray((np.maximum(widths, 0) * np.maximum(heights, 0)).sum(axis=1))


def _added_by_one(front: Values, point: Values, reference: Values) -> float:
    if (point >= reference).any():
        return 0.0
    covered = np.maximum(front, point)  # the part within the point's own box
    own = float(np.prod(reference - point))
    return max(own - float(moocore.hypervolume(covered, ref=reference)), 0.0)


def _joined(front: Values, more: Values) -> Values:
    points = np.concatenate([front, more])
    return points[nondominated(points)]


def _ranges(front: Values, known: Values) -> Values:
    """Return the range of each objective on the front; of all known points where it has none."""
    ranges = np.ptp(front, axis=0)
    ranges = np.where(ranges > 0, ranges, np.ptp(known, axis=0))
    return np.asarray(np.where(ranges > 0, ranges, 1.0))
