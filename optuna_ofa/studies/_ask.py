"""Subnets to measure, a batch at a time: what `ask_batch` of a study does."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import RandomSampler

from optuna_ofa._errors import InvalidArgumentError, SearchSpaceExhaustedError
from optuna_ofa.samplers._surrogate_sampler import PREDICTED, PREDICTED_STD
from optuna_ofa.samplers._told_subnets import absent
from optuna_ofa.space import Subnet
from optuna_ofa.studies._candidates import Candidates, propose
from optuna_ofa.studies._chosen import Chosen
from optuna_ofa.studies._learned import choose_learned
from optuna_ofa.studies._promising import promising
from optuna_ofa.studies.storage._running import start_trials
from optuna_ofa.studies.storage._snapshot import Snapshot

if TYPE_CHECKING:
    from optuna_ofa.studies._study import SubnetStudy


class Asked(NamedTuple):
    """A subnet to measure.

    Args:
        subnet: The subnet.
        trial: Its trial, which runs until it is told.
        number: The trial's number.
        predicted: What is predicted for each objective and constrained metric, in their units; by
            what was measured where the study learns, and enough was.
        std: Standard deviations of those predictions that have one.
    """

    subnet: Subnet
    trial: optuna.Trial
    number: int
    predicted: Mapping[str, float]
    std: Mapping[str, float]


def ask(study: SubnetStudy, n: int) -> list[Asked]:
    """Start trials of promising subnets; see `SubnetStudy.ask_batch`."""
    if not isinstance(n, int | np.integer) or n < 1:
        raise InvalidArgumentError(f"`n` must be a whole number, at least 1, but got {n!r}.")
    study.problem.require_reachable()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)
    asked: list[Asked] = []
    candidates: Candidates | None = None
    with contextlib.suppress(SearchSpaceExhaustedError):
        while len(asked) < n:  # again where others have started some in the meantime
            seen = study._refresh()
            chosen = choose_learned(study, seen, n - len(asked))
            if chosen is None:
                if candidates is None:
                    candidates = _predicted(study)
                chosen, candidates = _choose(study, candidates, seen, n - len(asked))
            if len(chosen.matrix) == 0:
                break
            asked += _start(study, chosen, seen.last_id)
    if not asked:
        raise SearchSpaceExhaustedError(
            f"All {study.space.n_subnets} subnets of {study.space} have been evaluated, have "
            f"failed, or are being evaluated."
        )
    return asked


def _predicted(study: SubnetStudy) -> Candidates:
    """The subnets of all predicted trials."""
    known = study._archive.all()
    known = known.select(~known.measured)
    return Candidates.join([Candidates(known.matrix, known.values, known.constraints)])


def _choose(
    study: SubnetStudy, candidates: Candidates, seen: Snapshot, n: int
) -> tuple[Chosen, Candidates]:
    """What to measure, and what it was chosen from."""
    problem, known = study.problem, study._archive.all()
    measured = known.matrix[known.measured]
    taken = np.concatenate([measured, seen.matrix[~seen.abandoned]])
    wanted = np.concatenate([measured, seen.matrix[seen.running | seen.abandoned]])
    unknown = wanted[absent(wanted, candidates.matrix)]
    candidates = Candidates.join([candidates, Candidates.predict(problem, unknown)])
    if candidates.n_on_front(problem, taken) < n:
        evolution = study._evolution
        new = propose(problem, evolution, taken, n, batch=evolution.n_due)
        candidates = Candidates.join([candidates, new])
    picked = promising(
        candidates.values * problem.signs,
        problem.violations(candidates.constraints),
        absent(candidates.matrix, taken),
        n,
    )
    return Chosen.of(problem, candidates.select(picked)), candidates


def _start(study: SubnetStudy, chosen: Chosen, last_id: int) -> list[Asked]:
    attributes = [
        {PREDICTED: predicted, PREDICTED_STD: std}
        for predicted, std in zip(chosen.predicted, chosen.std, strict=True)
    ]
    ids = start_trials(study, study.problem, chosen.matrix, attributes, study._tables, last_id)
    study._heartbeat.watch(ids.values())
    # the predictions, so that the search goes on from these subnets and does not repeat them
    rows = np.array(list(ids), dtype=np.intp)
    study._learner.tell(*Candidates.predict(study.problem, chosen.matrix[rows]))
    subnets = study.space.from_matrix(chosen.matrix)
    plain = optuna.Study(study.study_name, study._storage, sampler=RandomSampler())
    return [
        Asked(subnets[i], trial := _trial(study, plain, trial_id), trial.number,
              chosen.predicted[i], chosen.std[i])
        for i, trial_id in ids.items()
    ]  # fmt: skip


def _trial(study: SubnetStudy, plain: optuna.Study, trial_id: int) -> optuna.Trial:
    """A trial that was started; its study's sampler is not asked, for it has its parameters."""
    trial = optuna.Trial(plain, trial_id)
    trial.study = study
    return trial
