"""Subnets to measure, a batch at a time: what `ask_batch` and `tell_batch` of a study do."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState

from optuna_ofa._errors import InvalidArgumentError, SearchSpaceExhaustedError
from optuna_ofa.space import Subnet
from optuna_ofa.studies._candidates import Candidates, propose
from optuna_ofa.studies._measured import Measured, check_others, check_values
from optuna_ofa.studies._promising import promising
from optuna_ofa.studies._results import EVALUATED, absent
from optuna_ofa.studies._running import start_trials
from optuna_ofa.studies._snapshot import Snapshot

if TYPE_CHECKING:
    from optuna_ofa.studies._study import SubnetStudy


# why a trial has failed that was told so; one whose process died has no reason
NOT_MEASURED = "not measured"


class Asked(NamedTuple):
    """A subnet to measure.

    Args:
        subnet: The subnet.
        trial: Its trial, which runs until it is told.
        number: The trial's number.
        predicted: What is predicted for each objective and constrained metric, in their units.
    """

    subnet: Subnet
    trial: optuna.Trial
    number: int
    predicted: Mapping[str, float]


# ---------------------------------------------------------------------------- ask


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
    while len(asked) < n:  # again where others have started some in the meantime
        seen = study._refresh()
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
    known = known.select(~known.evaluated)
    return Candidates.join([Candidates(known.matrix, known.values, known.constraints)])


def _choose(
    study: SubnetStudy, candidates: Candidates, seen: Snapshot, n: int
) -> tuple[Candidates, Candidates]:
    """What to measure, and what it was chosen from."""
    problem, known = study.problem, study._archive.all()
    evaluated = known.matrix[known.evaluated]
    taken = np.concatenate([evaluated, seen.matrix[~seen.abandoned]])
    wanted = np.concatenate([evaluated, seen.matrix[seen.running | seen.abandoned]])
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
    return candidates.select(picked), candidates


def _start(study: SubnetStudy, chosen: Candidates, last_id: int) -> list[Asked]:
    predicted = _by_metric(study, chosen)
    ids = start_trials(study, study.problem, chosen.matrix, predicted, study._tables, last_id)
    study._heartbeat.watch(ids.values())
    # the predictions, so that the search goes on from these subnets and does not repeat them
    rows = np.array(list(ids), dtype=np.intp)
    study._learner.tell(*chosen.select(rows))
    subnets = study.space.from_matrix(chosen.matrix)
    plain = optuna.Study(study.study_name, study._storage, sampler=RandomSampler())
    return [
        Asked(subnets[i], trial := _trial(study, plain, trial_id), trial.number, predicted[i])
        for i, trial_id in ids.items()
    ]


def _by_metric(study: SubnetStudy, chosen: Candidates) -> list[dict[str, float]]:
    """Predictions by metric, also those that only a constraint needs."""
    problem = study.problem
    columns = dict(zip(problem.objectives, chosen.values.T, strict=True))
    for name, excess in zip(problem.constraints, chosen.constraints.T, strict=True):
        columns.setdefault(name, problem.from_excess(name, excess))
    return [dict(zip(columns, map(float, row), strict=True))
            for row in zip(*columns.values(), strict=True)]  # fmt: skip


def _trial(study: SubnetStudy, plain: optuna.Study, trial_id: int) -> optuna.Trial:
    """A trial that was started; its study's sampler is not asked, for it has its parameters."""
    trial = optuna.Trial(plain, trial_id)
    trial.study = study
    return trial


# ---------------------------------------------------------------------------- tell


def tell(
    study: SubnetStudy,
    asked: Iterable[Asked],
    values: Iterable[Measured],
    constraints: Mapping[str, Iterable[float]] | None,
) -> None:
    """Finish trials that were asked for; see `SubnetStudy.tell_batch`."""
    asked = list(asked)
    rows = check_values(study.problem, values, len(asked))
    others = check_others(study.problem, constraints or {}, len(asked))
    _check_asked(study, asked)
    for i, one in enumerate(asked):
        measured = {name: column[i] for name, column in others.items() if column[i] == column[i]}
        _tell(study, one, rows[i], {**one.predicted, **measured})
        study._heartbeat.release(one.trial._trial_id)


def _tell(
    study: SubnetStudy, one: Asked, row: list[float] | None, others: Mapping[str, float]
) -> None:
    one.trial.set_user_attr("kind", EVALUATED)
    if row is None:
        one.trial.set_user_attr("error", NOT_MEASURED)
        study.tell(one.trial, state=TrialState.FAIL)
        return
    metrics = {**others, **dict(zip(study.problem.objectives, row, strict=True))}
    for name in study.problem.constraints:
        excess = study.problem.excess(name, np.array(metrics[name]))
        one.trial.set_constraint(name, float(excess))
    study.tell(one.trial, row)


def _check_asked(study: SubnetStudy, asked: Sequence[Asked]) -> None:
    """Refuse what is no running trial of the study."""
    numbers = [one.number for one in asked]
    twice = [number for number in numbers if numbers.count(number) > 1]
    if twice:
        raise InvalidArgumentError(
            f"`asked` must hold each subnet once, but trial {twice[0]} is there "
            f"{numbers.count(twice[0])} times."
        )
    for one in asked:
        other = one.trial.study.study_name
        if other != study.study_name:
            raise InvalidArgumentError(
                f"`asked` must be of study {study.study_name!r}, but trial {one.number} is of "
                f"{other!r}."
            )
        trial = _stored(study, one)
        if trial is None or trial.user_attrs.get("subnet") != one.subnet.to_dict():
            raise InvalidArgumentError(
                f"`asked` must be of this study's storage, but its trial {one.number} is not of "
                f"{one.subnet}."
            )
        if trial.state != TrialState.RUNNING:
            raise InvalidArgumentError(
                f"`asked` must be running trials, each told once, but trial {one.number} is "
                f"{trial.state.name}."
            )


def _stored(study: SubnetStudy, one: Asked) -> FrozenTrial | None:
    try:
        trial = study._storage.get_trial(one.trial._trial_id)
    except KeyError:
        return None
    return trial if trial.number == one.number else None
