"""Evaluating subnets on more and more images, without those that are no longer on the front."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.evaluation._accuracies import Partial
from optuna_ofa.evaluation._estimate import Estimate, estimate, shrunk
from optuna_ofa.evaluation._known import KnownAnswers
from optuna_ofa.evaluation._sampling import Sampling, disagreement
from optuna_ofa.evaluation._score import Scores
from optuna_ofa.evaluation._stopping import dominated, superfluous
from optuna_ofa.measurements import Claims, Sharing
from optuna_ofa.space import Subnet

Array = NDArray[np.float64]

_N_FIRST = 4  # subnets that are evaluated on all images first, to see which images matter
_ERROR_RATE = 0.01  # of stopping a subnet that none dominates, without a tolerance


class Score(Protocol):
    """Evaluates subnets on the images at some places of their order, all or ``(n,)``."""

    def __call__(
        self,
        subnets: Sequence[Subnet],
        places: NDArray[np.int64],
        todo: Callable[[list[Subnet]], list[Subnet]] | None = None,
    ) -> Iterator[tuple[Sequence[Subnet], Scores]]:
        """Yield groups of the subnets with their scores, as they finish.

        Args:
            subnets: The subnets.
            places: The places.
            todo: Only subnets that are free are evaluated, and of these only the ones that it
                returns; None evaluates all of them, whatever others do.
        """


class Race:
    """Evaluates subnets until each has failed, stopped early, or seen all images.

    A few subnets, spread over the costs, see all images first. Their margins say on which images
    subnets are likely to differ, which come first in the order of the images.

    Args:
        score: Evaluates subnets.
        known: The answers that are known, to which the new ones are added.
        n_images: Number of all images.
        rungs: Numbers of images after which subnets may stop.
        tolerance: The share of the front's hypervolume that all early stops together may cost,
            as expected; 0 stops only subnets that are dominated with confidence.
        finished: Called with numbers of subnets that are not evaluated further.
        sharing: How the subnets are divided among the callers of a database.
        claims: The claims of this caller; None if it shares with nobody.
        failed: Returns which subnets others have seen fail, with the reasons.
    """

    def __init__(
        self,
        score: Score,
        known: KnownAnswers,
        n_images: int,
        *,
        rungs: Sequence[int],
        tolerance: float,
        finished: Callable[[int], object],
        sharing: Sharing,
        claims: Claims | None,
        failed: Callable[[Sequence[Subnet]], Mapping[Subnet, str]],
    ) -> None:
        self._score, self._known, self._n_images = score, known, n_images
        self._sharing, self._claims, self._failed = sharing, claims, failed
        self._rungs = [n for n in rungs if n < n_images]
        self._tolerance, self._finished = tolerance, finished
        self.failures: dict[Subnet, str] = {}
        self.partial: dict[Subnet, Partial] = {}

    def run(self, subnets: Sequence[Subnet], costs: Array) -> None:
        """Evaluate subnets.

        A decision about early stops is stored, so that an interrupted race continues with it.

        Args:
            subnets: Different subnets.
            costs: ``(n, k)`` their other objectives, smaller is better.
        """
        texts = [json.dumps(subnet.to_dict(by_name=True)) for subnet in subnets]
        rows = sorted(range(len(subnets)), key=lambda i: (*costs[i].tolist(), texts[i]))
        entrants = [subnets[i] for i in rows]
        prices = dict(zip(entrants, costs[rows], strict=True))
        named = dict(zip(subnets, texts, strict=True))
        race = self._id([texts[i] for i in rows], costs[rows])
        sampling = self._first(entrants)
        for n in [*self._rungs, self._n_images]:
            entrants = self._left(entrants)
            self._extend(entrants, sampling, n)
            entrants = self._left(entrants)
            if n == self._n_images or not entrants:
                continue
            stops = self._known.stops(race, n)
            if stops is None:
                found = self._stops(entrants, np.array([prices[s] for s in entrants]), sampling, n)
                stops = self._known.add_stops(
                    race, n, [[named[subnet], *of] for subnet, of in found.items()]
                )
            own = {subnets[texts.index(text)]: Partial(*of) for text, *of in stops}
            self._finished(len(own))
            self.partial |= own

    def _id(self, texts: Sequence[str], costs: Array) -> str:
        rules = [self._rungs, self._tolerance, self._n_images]
        return hashlib.sha256(json.dumps([texts, costs.tolist(), rules]).encode()).hexdigest()

    def _left(self, subnets: Sequence[Subnet]) -> list[Subnet]:
        return [s for s in subnets if s not in self.failures and s not in self.partial]

    def _first(self, subnets: Sequence[Subnet]) -> Sampling:
        """Evaluate a few subnets on all images, and fix the order of the images if it is not."""
        chosen = np.linspace(0, len(subnets) - 1, min(_N_FIRST, len(subnets))).round().astype(int)
        first = [subnets[i] for i in dict.fromkeys(chosen.tolist())]
        with self._sharing.alone("order", lambda: self._known.sampling is not None):
            if self._known.sampling is None:
                return self._fixed(first)
        sampling = self._known.sampling
        assert sampling is not None
        if self._claims is not None:  # others may have begun
            self._known.read(subnets)
        if sum(map(self._known.is_complete, subnets)) < len(first):
            self._extend(first, sampling, self._n_images)
        return sampling

    def _fixed(self, first: Sequence[Subnet]) -> Sampling:
        """Evaluate subnets on all images, and fix the order of the images by their margins."""
        right, margins = {}, []
        for group, scores in self._score(first, np.arange(self._n_images)):
            self._note(group, scores, is_last=True)
            for i, subnet in enumerate(group):
                if i not in scores.errors:
                    right[subnet] = scores.right[i]
                    margins.append(scores.margins[i])
        differs = np.full(self._n_images, 0.5, dtype=np.float16)
        if len(margins) > 1:
            differs = disagreement(np.array(margins))
        sampling = self._known.fix(differs)
        self._known.forget(right)
        self._known.add({subnet: of[sampling.places] for subnet, of in right.items()})
        return sampling

    def _extend(self, subnets: Sequence[Subnet], sampling: Sampling, n: int) -> None:
        """Evaluate subnets on those of the first ``n`` images that they have not seen."""
        is_last = n == self._n_images

        def behind() -> list[Subnet]:
            return [s for s in self._left(subnets) if len(self._known.of(s)) < n]

        def look(waiting: list[Subnet]) -> None:
            self._known.read(waiting)
            failures = self._failed(waiting)
            self.failures |= failures
            done = [s for s in waiting if s not in failures and len(self._known.of(s)) >= n]
            self._finished(len(failures) + len(done) * is_last)

        for left in self._sharing.rounds(behind, look):
            for start in sorted({len(self._known.of(subnet)) for subnet in left}):
                own = [s for s in left if len(self._known.of(s)) == start]
                for group, scores in self._score(own, sampling.places[start:n], self._todo(start)):
                    self._note(group, scores, is_last=is_last)
                    found = {
                        s: scores.right[i] for i, s in enumerate(group) if i not in scores.errors
                    }
                    self._known.add(found, self._claims)

    def _todo(self, start: int) -> Callable[[list[Subnet]], list[Subnet]]:
        """Return what selects, of claimed subnets, those that nobody has evaluated meanwhile."""

        def todo(claimed: list[Subnet]) -> list[Subnet]:
            self._known.read(claimed)
            failed = self._failed(claimed)
            return [s for s in claimed if s not in failed and len(self._known.of(s)) == start]

        return todo

    def _note(self, group: Sequence[Subnet], scores: Scores, *, is_last: bool) -> None:
        self.failures |= {group[i]: reason for i, reason in scores.errors.items()}
        self._finished(len(group) if is_last else len(scores.errors))

    def _stops(
        self, subnets: Sequence[Subnet], costs: Array, sampling: Sampling, n: int
    ) -> dict[Subnet, Partial]:
        """Return which subnets stop after ``n`` images."""
        complete = np.array([self._known.is_complete(s) for s in subnets])
        known = [100 * float(self._known.of(s).right.mean()) for s in subnets]
        right = np.array([self._known.of(s).right[:n] for s in subnets])
        found = estimate(right, sampling, np.where(complete, known, np.nan))
        share = 1 / len(self._rungs)
        if self._tolerance > 0:
            likely = shrunk(found, costs)
            stops = superfluous(likely, costs, complete, self._tolerance * share)
        else:
            stops = dominated(found, costs, _ERROR_RATE * share) & ~complete
        rows = np.flatnonzero(stops).tolist()
        return {subnets[i]: _partial(found, costs, subnets, i, n) for i in rows}


def _partial(found: Estimate, costs: Array, subnets: Sequence[Subnet], i: int, n: int) -> Partial:
    """Return the estimated accuracy of a subnet that stops, and which one it is behind."""
    gaps, std = found.gaps()
    rivals = (costs <= costs[i]).all(axis=1)
    rivals[i] = False
    by = int(np.where(rivals, gaps[:, i], -np.inf).argmax()) if rivals.any() else None
    reason = "expected to add nothing to the front"
    if by is not None and gaps[by, i] > 0:
        reason = (
            f"{gaps[by, i]:.2f} ± {std[by, i]:.2f} points behind {subnets[by]}, which costs no more"
        )
    top1 = float(np.clip(found.top1[i], 0.0, 100.0))
    return Partial(top1, float(found.std[i]), n, reason)
