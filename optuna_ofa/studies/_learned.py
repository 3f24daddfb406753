"""What to measure next by what was measured: `ask_batch` of a study that learns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optuna_ofa.samplers import SurrogateSampler
from optuna_ofa.samplers._learned_models import Measurements
from optuna_ofa.studies._candidates import Candidates
from optuna_ofa.studies._chosen import Chosen
from optuna_ofa.studies.storage._snapshot import Snapshot

if TYPE_CHECKING:
    from optuna_ofa.studies._study import SubnetStudy


def choose_learned(study: SubnetStudy, seen: Snapshot, n: int) -> Chosen | None:
    """At most ``n`` subnets that may extend the measured front.

    Args:
        study: The study.
        seen: What runs and has failed.
        n: How many.

    Returns:
        The subnets; None where the study does not learn, or too little was measured.

    Raises:
        SearchSpaceExhaustedError: If none is left.
    """
    sampler, problem = study.sampler, study.problem
    if not isinstance(sampler, SurrogateSampler):
        return None
    search = sampler.search_for(study, tuple(problem.constraints))
    known = study._archive.all()
    known = known.select(known.measured & np.isfinite(known.values).all(axis=1))
    pending = seen.matrix[seen.running]
    if not search.is_started(len(known.matrix), len(pending)):
        return None
    measured = Measurements(
        known.matrix, known.values * problem.signs, known.constraints / problem.scales
    )
    taken = seen.matrix[~seen.running & ~seen.abandoned]
    found = search.propose(measured, pending, taken, n, sampler.next_rng(len(known.matrix)))
    constraints = found.constraints * problem.scales
    if np.isnan(constraints).any():  # one that nobody has measured
        given = problem.evaluate(found.matrix).constraints
        constraints = np.where(np.isnan(constraints), given, constraints)
    chosen = Candidates(found.matrix, found.values * problem.signs, constraints)
    return Chosen.of(problem, chosen, dict(zip(problem.objectives, found.std.T, strict=True)))
