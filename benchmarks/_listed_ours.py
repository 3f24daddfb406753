"""The samplers of this package on listed networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
from _listed_runs import Tape
from optuna.trial import FrozenTrial

from optuna_ofa.samplers import EvolutionarySampler, NSGAIISampler, SurrogateSampler
from optuna_ofa.space import Matrix, SearchSpace

Evolving = EvolutionarySampler | NSGAIISampler


def surrogate(tape: Tape, seed: int, **options: Any) -> None:
    """`SurrogateSampler`, which takes the list as its pool."""
    space = SearchSpace.of_choices(tape.listed.choices)
    _optimize(tape, SurrogateSampler(space, pool=tape.listed.matrix, seed=seed, **options))


def evolving(kind: Callable[..., Evolving]) -> Callable[[Tape, int], None]:
    """A sampler that proposes freely."""

    def run(tape: Tape, seed: int) -> None:
        _optimize(
            tape, _snapped(kind(SearchSpace.of_choices(tape.listed.choices), seed=seed), tape)
        )

    return run


def _optimize(tape: Tape, sampler: optuna.samplers.BaseSampler) -> None:
    study = optuna.create_study(directions=tape.listed.directions, sampler=sampler)
    space = SearchSpace.of_choices(tape.listed.choices)
    while True:
        trial = study.ask()
        (row,) = space.to_matrix([space.suggest(trial)])
        study.tell(trial, tape.measure(tape.place_of(row)))


def _snapped(sampler: Evolving, tape: Tape) -> Evolving:
    """Return the sampler, which now proposes the nearest network that may be measured."""
    propose = sampler.propose

    def snapped(study: optuna.Study, trial: FrozenTrial) -> Matrix:
        row = propose(study, trial)
        place = tape.nearest(row[0])
        sampler.release(row)
        return tape.listed.matrix[place : place + 1]

    sampler.propose = snapped  # type: ignore[method-assign]
    return sampler
