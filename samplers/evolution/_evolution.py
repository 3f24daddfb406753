"""The search itself: arrays in, arrays out, no Optuna."""

from __future__ import annotations

import copy
import secrets
import sys
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._arguments import Count, Seed, checked, whole
from optuna_ofa.exceptions import InvalidArgumentError, SearchSpaceExhaustedError
from optuna_ofa.fronts import Values
from optuna_ofa.samplers.evolution._ascents import Ascents
from optuna_ofa.samplers.evolution._breeding import Breeding
from optuna_ofa.samplers.evolution._chains import Chains
from optuna_ofa.samplers.evolution._estimates import Estimator, Scored
from optuna_ofa.samplers.evolution._schedule import GenerationSize
from optuna_ofa.samplers.evolution._steps import proposed
from optuna_ofa.samplers.evolution._survival import Survival
from optuna_ofa.samplers.evolution._told import IsKnown, ToldSubnets, unknown
from optuna_ofa.samplers.evolution._variation import random_genes
from optuna_ofa.space import MAX_LISTED, Keys, Matrix, SearchSpace, first_of_each, keys_of

_MAX_ATTEMPTS = 20
# what estimators learn from
_N_RECENT = 2000
# results after which all chains start anew, so that a new process need not follow earlier ones
_EPOCH = 50_000


class Evolution:
    """NSGA-II on canonical genotypes that never proposes a subnet twice.

    `ask` proposes, the caller evaluates, `tell` takes the results; any number may be proposed or
    told at a time, including results of subnets that were never proposed. Survivors are picked and
    children made whenever the results of a generation are complete, so the proposals depend only on
    the seed and on the results in their order, not on how these are split into calls or on whether
    the process was restarted in between.

    Args:
        space: The search space.
        population_size: Survivors that children descend from.
        generation_size: How many children each generation has.
        breeding: Makes children.
        survival: Picks survivors, and the most promising of estimated children.
        estimator: Estimates children, of which the most promising are proposed.
        n_candidates: Children that are estimated for a generation; 0 proposes children without
            estimates.
        ascents: Chains that climb along the front after the first results, instead of generations
            of children; None is never.
        seed: Seed of all random choices.

    Raises:
        InvalidArgumentError: If the population has fewer than two, or ``n_candidates`` is
            negative.
    """

    @checked
    def __init__(
        self,
        *,
        space: SearchSpace,
        population_size: Annotated[int, whole(2)],
        generation_size: GenerationSize,
        breeding: Breeding,
        survival: Survival,
        estimator: Estimator,
        n_candidates: Count,
        ascents: Ascents | None,
        seed: Seed | None,
    ) -> None:
        self.space = space
        self._population_size, self._generation_size = population_size, generation_size
        self._breeding, self._survival = breeding, survival
        self._estimator, self._n_candidates = estimator, n_candidates
        self._ascents = ascents
        self.reseed(seed)
        self._worker = 0  # of several; 0 where there is one
        self._told = ToldSubnets()
        self._blocked: set[int] = set()  # keys proposed but without results, or forbidden
        self._queue: Matrix = np.empty((0, len(space.genes)), dtype=np.int16)
        self._population: Scored | None = None
        self._chains: Chains | None = None  # since the first ascents
        self._before: Scored | None = None  # the population when the epoch of chains began
        self._epoch: list[Scored] = []  # the results since then
        self._recent: Scored | None = None  # up to the end of the last full generation
        self._pending: list[Scored] = []  # since then
        self._n_settled = 0
        self._n_bred = 0  # since the last generation was settled
        self._listed: Matrix | None = None

    def reseed(self, seed: int | None = None) -> None:
        """Start another stream of random numbers, for parallel workers of Optuna."""
        # from the system if there is no seed, and as large as a given one may be
        self._entropy = secrets.randbits(64) if seed is None else seed

    def share(self, worker: int) -> None:
        """Search beside other workers from now on.

        Whatever they find (`tell_found`) joins the population with the next results of this search,
        and is no part of a generation of it: each worker evaluates all of what it breeds.

        Args:
            worker: The number of this one, from 1, which its random numbers depend on.
        """
        self._worker = worker
        if self._pending:
            self._settle()

    @property
    def is_shared(self) -> bool:
        """Whether `share` was called."""
        return self._worker > 0

    @property
    def seed(self) -> int:
        """The seed of the random numbers, also where none was given."""
        return self._entropy

    def fork(self) -> Evolution:
        """Return an independent copy."""
        other = copy.copy(self)
        other._told, other._blocked = self._told.copy(), set(self._blocked)
        other._pending, other._epoch = list(self._pending), list(self._epoch)
        return other

    @property
    def n_due(self) -> int:
        """The number of proposals that are left in this generation, at least 1."""
        if self.is_shared:
            return self._size()
        return max(1, self._size() - (len(self._told) - self._n_settled))

    def ask(self, n: int) -> Matrix:
        """Propose subnets that were not proposed before and have no results.

        The smallest, the largest and a spread between them come first.

        Args:
            n: How many, at least 1.

        Returns:
            A canonical ``(m, n_genes)`` matrix, ``m == n`` unless the space runs out.

        Raises:
            InvalidArgumentError: If ``n`` is below 1.
            SearchSpaceExhaustedError: If none is left.
        """
        if n < 1:
            raise InvalidArgumentError(f"`n` must be at least 1, but got {n}.")
        parts: list[Matrix] = []
        while n and self._refill():
            rows, self._queue = self._queue[:n], self._queue[n:]
            # some may have results from elsewhere since they were bred
            keys = keys_of(rows)
            new = ~self._is_known(keys)
            parts.append(rows[new])
            self._blocked.update(keys[new].tolist())
            n -= len(parts[-1])
        if not any(map(len, parts)):
            raise SearchSpaceExhaustedError(
                f"All {self.space.n_subnets} subnets of {self.space} have been evaluated."
            )
        return np.concatenate(parts)

    def tell(self, matrix: Matrix, costs: Values, violations: Values) -> None:
        """Add results.

        Args:
            matrix: ``(n, n_genes)`` canonical genotypes.
            costs: ``(n, n_objectives)``, smaller is better.
            violations: ``(n,)``, 0 where feasible, otherwise how much is violated.

        Subnets that already have results are ignored. Subnets with an infinite value are not
        proposed again, and have no children.
        """
        told = self._new(matrix, costs, violations)
        while not self.is_shared and (missing := self._n_missing(len(told.matrix))) <= len(
            told.matrix
        ):
            self._pending.append(told.select(slice(missing)))
            self._settle()
            told = told.select(slice(missing, None))
        if len(told.matrix):
            self._pending.append(told)
            if self.is_shared:
                self._settle()

    def tell_found(self, matrix: Matrix, costs: Values, violations: Values) -> None:
        """Add results of other workers; as `tell` unless the search is shared.

        Args:
            matrix: As in `tell`, like the others.
            costs: As there.
            violations: As there.
        """
        if not self.is_shared:
            self.tell(matrix, costs, violations)
        elif len((told := self._new(matrix, costs, violations)).matrix):
            self._pending.append(told)  # until the next own results or proposals

    def forbid(self, matrix: Matrix) -> None:
        """Never propose these subnets: failed, or running elsewhere."""
        self._blocked.update(keys_of(matrix).tolist())

    def release(self, matrix: Matrix) -> None:
        """Withdraw proposed subnets that will not be evaluated; they may be proposed again."""
        self._blocked.difference_update(keys_of(matrix).tolist())

    def knows(self, matrix: Matrix) -> NDArray[np.bool_]:
        """Return which subnets have results, are proposed or forbidden, ``(n,)``."""
        return self._is_known(keys_of(matrix))

    # ------------------------------------------------------------------ results

    def _size(self) -> int:
        if self._chains is None:
            return min(self._generation_size(self._n_settled), self._n_left())
        return min(self._chains.n_proposed, self._n_left())

    def _n_left(self) -> int:
        """Return how many results the epoch of chains lacks; without epochs, very many."""
        if self._ascents is None or self.is_shared:
            return sys.maxsize
        return _EPOCH - self._n_settled % _EPOCH

    def _n_missing(self, n_told: int) -> int:
        """Return how many results the generation lacks; or the epoch, if as many are told."""
        n_pending = sum(len(part.matrix) for part in self._pending)
        n_left = self._n_left() - n_pending
        return n_left if n_left <= n_told else self._size() - n_pending

    def _settle(self, *, answered: bool = True) -> None:
        """End a generation: pick survivors among the results.

        Args:
            answered: Whether these are the results of all proposals, not of other workers alone.
        """
        new = Scored.join(self._pending)
        self._pending, self._queue = [], self._queue[:0]
        self._blocked.difference_update(keys_of(new.matrix).tolist())
        self._n_settled += len(new.matrix)
        self._n_bred = 0
        self._select(new)
        recent = new if self._recent is None else Scored.join([self._recent, new])
        self._recent = recent.select(slice(-_N_RECENT, None))
        if self._ascents is not None and self._n_settled >= self._ascents.first:
            self._climb(self._ascents, new, answered)

    def _select(self, new: Scored) -> None:
        """Pick survivors; at the end of an epoch among all of its results, and end the chains.

        The generations of an epoch that has ended have thus no effect on the next one.
        """
        self._population = self._survivors([self._population, new])
        if self._ascents is None or self.is_shared:
            return
        self._epoch.append(new)
        if self._n_settled % _EPOCH == 0:
            self._population = self._survivors([self._before, *self._epoch])
            self._before, self._epoch, self._chains = self._population, [], None

    def _new(self, matrix: Matrix, costs: Values, violations: Values) -> Scored:
        """Return the results of subnets that had none; forbid those with infinite values."""
        finite = np.isfinite(costs).all(axis=1)
        self.forbid(matrix[~finite])
        told = Scored(matrix[finite], costs[finite], violations[finite])
        return told.select(self._told.add(keys_of(told.matrix)))

    def _survivors(self, parts: Sequence[Scored | None]) -> Scored:
        everyone = Scored.join([part for part in parts if part is not None])
        n = min(self._population_size, len(everyone.matrix))
        return everyone.select(self._survival(everyone.costs, everyone.violations, n))

    def _climb(self, ascents: Ascents, new: Scored, answered: bool) -> None:
        """Move the chains, and start others in the place of those that ended."""
        assert self._population is not None
        rng = np.random.default_rng((self._entropy, self._n_settled, self._worker, 1))
        chains = self._chains
        if chains is not None:
            chains = chains.moved(self.space, new, answered=answered)
        self._chains = ascents.filled(
            self.space, self._population, chains, self._n_settled, self._was_settled, rng
        )

    # ------------------------------------------------------------------ proposals

    def _refill(self) -> bool:
        """Breed a new generation if no proposals are left; return whether there are any.

        The first generation bred after the end of another does not depend on later results, so it
        is the same in a process that is restarted in the middle of it.
        """
        if len(self._queue) == 0 and self.is_shared and self._pending:
            self._settle(answered=False)
        if len(self._queue) == 0 and self._n_bred == 0:
            rows = self._distinct(self._was_settled)
            self._queue = rows[~self._is_known(keys_of(rows))]
        if len(self._queue) == 0:
            self._queue = self._distinct(self._is_known)
        return len(self._queue) > 0

    def _was_settled(self, keys: Keys) -> NDArray[np.bool_]:
        return self._told.contains(keys, before=self._n_settled)

    def _is_known(self, keys: Keys) -> NDArray[np.bool_]:
        blocked = np.fromiter(self._blocked, np.uint64, len(self._blocked))
        return self._told.contains(keys) | np.isin(keys, blocked)

    def _distinct(self, is_known: IsKnown) -> Matrix:
        """Return a generation of unknown subnets, smaller if there are too few."""
        stream = (self._entropy, self._n_settled, self._n_bred)
        rng = np.random.default_rng((*stream, self._worker) if self.is_shared else stream)
        self._n_bred += 1
        size, rows = self._size(), self._queue[:0]
        if self._chains is not None and self._n_bred == 1:
            rows = self._next_steps(self._chains, is_known, rng)[:size]
        for attempt in range(_MAX_ATTEMPTS):
            if len(rows) == size:
                break
            more = self._proposals(size - len(rows), attempt, is_known, rng)
            rows = _unique(np.concatenate([rows, more]))
        # random children keep repeating known subnets; larger spaces are not exhausted
        if len(rows) < size and self.space.n_subnets <= MAX_LISTED:
            listed = self._list(rng)
            listed = listed[unknown(listed, is_known)]
            rows = _unique(np.concatenate([rows, listed]))[:size]
        return rows

    def _next_steps(self, chains: Chains, is_known: IsKnown, rng: np.random.Generator) -> Matrix:
        assert self._recent is not None
        return proposed(self.space, chains, self._estimator, self._recent, is_known, rng)

    def _proposals(
        self, n: int, attempt: int, is_known: IsKnown, rng: np.random.Generator
    ) -> Matrix:
        """Return at most ``n`` different unknown subnets; later attempts mutate more."""
        population = self._population
        if population is None and attempt == 0:
            rows = self.space.stratified(n, rng)
        elif population is None or len(population.matrix) < 2 or attempt > _MAX_ATTEMPTS // 2:
            rows = self.space.canonicalize(random_genes(self.space, 2 * n, rng))
        else:
            # the places that chains leave empty are few
            screened = attempt == 0 and self._n_candidates > 0 and self._chains is None
            n_children = max(self._n_candidates if screened else 0, 2 * n)
            rows, parent = self._breeding(
                self.space, population.matrix, population.costs, n_children, rng, 1 + attempt
            )
            if screened:
                new = unknown(rows, is_known)
                return self._promising(population, rows[new], parent[new], n)
        return rows[unknown(rows, is_known)][:n]

    def _promising(
        self, population: Scored, rows: Matrix, parent: NDArray[np.intp], n: int
    ) -> Matrix:
        """Return the ``n`` children with the best estimates."""
        assert self._recent is not None
        costs, violations = self._estimator(self._recent, population, rows, parent)
        return rows[self._survival(costs, violations, min(n, len(rows)))]

    def _list(self, rng: np.random.Generator) -> Matrix:
        """Every subnet of a small space, in random order; listed once, because that is slow."""
        if self._listed is None:
            self._listed = self.space.enumerate()
        return rng.permutation(self._listed)


def _unique(rows: Matrix) -> Matrix:
    return rows[first_of_each(keys_of(rows))]
