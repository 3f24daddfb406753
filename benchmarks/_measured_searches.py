"""Ways to search where an evaluation is a measurement, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import optuna
from _runs import Recorder, Run, Task
from _searches import optuna_nsgaii, random_sample
from optuna.samplers import BaseSampler, GPSampler, TPESampler

import optuna_ofa
from optuna_ofa.samplers import SurrogateSampler

OTHER_WEIGHTS = "ofa_mbv3_w1.0"


def surrogate(task: Task, **options: Any) -> Run:
    """`SurrogateSampler`, which knows nothing but what it was told."""
    recorder = Recorder(task)
    space = recorder.problem.space
    return in_optuna(recorder, task, SurrogateSampler(space, seed=task.seed, **options))


def surrogate_with_priors(task: Task) -> Run:
    """The same with the exact table, and accuracies of other weights, as priors."""
    recorder = Recorder(task)
    table = recorder.problem.predictors["latency_ms"]
    accuracy = optuna_ofa.study(OTHER_WEIGHTS).problem.predictors["top1"]
    sampler = SurrogateSampler(recorder.problem.space, priors=[accuracy, table], seed=task.seed)
    return in_optuna(recorder, task, sampler)


def tpe(task: Task) -> Run:
    """Optuna's TPE on all parameters."""
    return in_optuna(Recorder(task), task, TPESampler(seed=task.seed))


def gp(task: Task) -> Run:
    """Optuna's Gaussian processes on all parameters."""
    return in_optuna(Recorder(task), task, GPSampler(seed=task.seed))


def in_optuna(recorder: Recorder, task: Task, sampler: BaseSampler) -> Run:
    """A sampler in a plain study in memory."""
    study = optuna.create_study(directions=recorder.problem.directions, sampler=sampler)
    space = recorder.problem.space

    def objective(trial: optuna.Trial) -> tuple[float, ...]:
        return tuple(recorder(space.to_matrix([space.suggest(trial)]))[0].tolist())

    study.optimize(objective, n_trials=task.budgets[-1])
    return recorder.run()


MEASURED_SEARCHES: Mapping[str, Callable[[Task], Run]] = {
    "surrogate": surrogate,
    "surrogate-priors": surrogate_with_priors,
    "optuna": optuna_nsgaii,
    "tpe": tpe,
    "gp": gp,
    "random": random_sample,
}
