"""What was measured, a batch at a time: what `tell_batch` of a study does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from optuna.trial import TrialState

from optuna_ofa._errors import InvalidArgumentError
from optuna_ofa.studies._ask import Asked
from optuna_ofa.studies._measured import Measured, check_others, check_values
from optuna_ofa.studies._problem import Problem
from optuna_ofa.studies._results import MEASURED
from optuna_ofa.studies.storage._finish import Ending, Started, finish_trials

if TYPE_CHECKING:
    from optuna_ofa.studies._study import SubnetStudy

# why a trial has failed that was told so; one whose process died has no reason
NOT_MEASURED = "not measured"


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
    _check_once(asked, study.study_name)
    endings = []
    for i, (one, row) in enumerate(zip(asked, rows, strict=True)):
        measured = {name: column[i] for name, column in others.items() if column[i] == column[i]}
        endings.append(_ending(study.problem, one, row, measured))
    if study._tables is None:
        _finish_publicly(study, asked, endings)
    else:
        finish_trials(study._tables, study._study_id, endings, _checking(asked))
    for one in asked:
        study._heartbeat.release(one.trial._trial_id)


def _ending(
    problem: Problem, one: Asked, row: list[float] | None, measured: Mapping[str, float]
) -> Ending:
    if row is None:
        return Ending(one.trial._trial_id, None, {"kind": MEASURED, "error": NOT_MEASURED}, {})
    objectives = zip(problem.objectives, row, strict=True)
    metrics = {**one.predicted, **measured, **dict(objectives)}
    excess = {name: float(problem.excess(name, np.array(metrics[name])))
              for name in problem.constraints}  # fmt: skip
    return Ending(one.trial._trial_id, row, {"kind": MEASURED}, excess)


def _finish_publicly(study: SubnetStudy, asked: Sequence[Asked], endings: Sequence[Ending]) -> None:
    """The same through Optuna's public calls, trial by trial."""
    started = {}
    for trial_id in (ending.trial_id for ending in endings):
        try:
            trial = study._storage.get_trial(trial_id)
        except KeyError:
            continue
        started[trial_id] = Started(trial.number, trial.state, trial.user_attrs.get("subnet"))
    _checking(asked)(started)
    for one, ending in zip(asked, endings, strict=True):
        for key, value in ending.user_attributes.items():
            one.trial.set_user_attr(key, value)
        for name, excess in ending.constraints.items():
            one.trial.set_constraint(name, excess)
        study.tell(one.trial, ending.values, state=ending.state)


def _check_once(asked: Sequence[Asked], study_name: str) -> None:
    """Refuse what is there twice or of another study."""
    numbers = [one.number for one in asked]
    twice = [number for number in numbers if numbers.count(number) > 1]
    if twice:
        raise InvalidArgumentError(
            f"`asked` must hold each subnet once, but trial {twice[0]} is there "
            f"{numbers.count(twice[0])} times."
        )
    for one in asked:
        other = one.trial.study.study_name
        if other != study_name:
            raise InvalidArgumentError(
                f"`asked` must be of study {study_name!r}, but trial {one.number} is of {other!r}."
            )


def _checking(asked: Sequence[Asked]) -> Callable[[Mapping[int, Started]], None]:
    """Refuse what is no running trial of the study, given its trials by id."""

    def check(started: Mapping[int, Started]) -> None:
        for one in asked:
            trial = started.get(one.trial._trial_id)
            expected = (one.number, one.subnet.to_dict())
            if trial is None or (trial.number, trial.subnet) != expected:
                raise InvalidArgumentError(
                    f"`asked` must be of this study's storage, but its trial {one.number} is not "
                    f"of {one.subnet}."
                )
            if trial.state != TrialState.RUNNING:
                raise InvalidArgumentError(
                    f"`asked` must be running trials, each told once, but trial {one.number} is "
                    f"{trial.state.name}."
                )

    return check
