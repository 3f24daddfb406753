"""Searching for several devices together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from optuna_ofa.fronts import KnownFront
from optuna_ofa.space import Matrix, first_of_each, keys_of
from optuna_ofa.studies import (
    Budget,
    CallbacksFor,
    Engine,
    SubnetStudy,
    TrialCallback,
    TrialCallbacks,
)


def search(
    studies: Mapping[str, SubnetStudy],
    budgets: Mapping[str, Budget],
    *,
    progress: bool | None,
    callbacks: Iterable[TrialCallback] = (),
    callbacks_for: CallbacksFor = "best",
) -> None:
    """Let the studies take turns, one generation each; see `Fleet.search`."""
    hidden = None if progress is None else not progress
    width = max(map(len, studies))
    callbacks = list(callbacks)
    calls = {name: TrialCallbacks(of, callbacks, callbacks_for) for name, of in studies.items()}
    with contextlib.ExitStack() as stack:
        bars = {
            name: stack.enter_context(
                study.search_bar(budgets[name], disable=hidden, desc=f"{name:{width}}", position=i)
            )
            for i, (name, study) in enumerate(studies.items())
        }
        running = {
            name: study.search_steps(
                budgets[name],
                Guests(study.engine, [s.engine for s in studies.values() if s is not study]),
                callbacks,
            )
            for name, study in studies.items()
        }
        while running:
            for name, steps in list(running.items()):
                added = next(steps, None)
                if added is None:
                    del running[name]
                else:
                    bars[name].update(added)
                    studies[name].engine.results()  # reads the trials that guests are chosen from
                    calls[name]()
    for study in studies.values():
        study.warn_extrapolated()


# More guests displace the search's own proposals: with 3, the hypervolumes of three devices were 1
# to 3 % higher than in separate searches; with all that extend the front they were 1 % lower.
_PER_GENERATION = 3


class Guests:
    """Finds subnets that other studies have tried since the last call and that suit this one.

    The engines of the others know what they have tried. Accuracies are known already and latencies
    from a table are cheap, so all these subnets are evaluated, and only those that would be on the
    front become trials.

    Args:
        engine: The engine of the study.
        others: The engines of the other studies, of the same space.
    """

    def __init__(self, engine: Engine, others: Sequence[Engine]) -> None:
        self._engine, self._others = engine, others
        self._front = KnownFront(engine.problem)
        self._n_own = 0
        self._n_seen = [0] * len(others)

    def __call__(self, n: int) -> Matrix:
        """Return the latest genotypes that the study has not tried, at most ``n`` and at most 3."""
        engine, problem = self._engine, self._engine.problem
        own = engine.known().select(slice(self._n_own, None))
        self._n_own += len(own.numbers)
        self._front.add(own)
        tried = self._tried()
        predicted = problem.try_evaluate(tried[~engine.knows(tried)]).predicted
        extends = self._front.extended_by(predicted, problem.nothing())
        return predicted.matrix[extends][::-1][: min(n, _PER_GENERATION)]

    def _tried(self) -> Matrix:
        """Return the subnets that the others have tried since the last call, each once."""
        parts = [self._engine.problem.nothing().matrix]
        for i, other in enumerate(self._others):
            new = other.known().select(slice(self._n_seen[i], None))
            self._n_seen[i] += len(new.numbers)
            parts.append(new.matrix)
        joined = np.concatenate(parts)
        return joined[first_of_each(keys_of(joined))]
