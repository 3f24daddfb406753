"""Ways to search the same problem; each says what it evaluated, in order, and how long it took."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

import _pymoo
import numpy as np
import optuna
from _finder import Finder
from _fronts import Matrix, Values, study
from _runs import Recorder, Run, Task

from optuna_ofa.predictors import Predictor
from optuna_ofa.samplers import Evolution, NSGAIISampler


class _OnlyPredicts(Predictor):
    """A predictor that offers nothing but `predict`."""

    def __init__(self, inner: Predictor) -> None:
        self.metric, self.space, self._inner = inner.metric, inner.space, inner

    def predict(self, matrix: Matrix) -> Values:
        return self._inner.predict(matrix)


def ours(task: Task, **options: Any) -> Run:
    """The search itself, in arrays; as `study.search` runs it, without a storage."""
    recorder = Recorder(task)
    searched = study(task.data, task.device, **{"seed": task.seed} | options)
    evolution: Evolution = searched.sampler.evolution
    left = task.budgets[-1]
    while left:
        rows = evolution.ask(min(evolution.n_due, left))
        costs = searched.problem.orientation.costs(recorder(rows))
        evolution.tell(rows, costs, np.zeros(len(rows)))
        left -= len(rows)
    return recorder.run()


def ours_sqlite(task: Task) -> Run:
    """`study.search`, every trial in an SQLite file, continued from one budget to the next."""
    with tempfile.TemporaryDirectory() as folder:
        return _in_storage(task, f"sqlite:///{folder}/study.db")


def _in_storage(task: Task, url: str) -> Run:
    searched = study(task.data, task.device, storage=url, seed=task.seed)
    seconds, spent, done = {}, 0.0, 0
    for budget in task.budgets:
        start = time.perf_counter()
        searched.search(budget - done, progress=False)
        spent += time.perf_counter() - start
        seconds[budget], done = spent, budget
    results = searched.results()
    return Run(results.matrix, results.values, seconds)


def ours_without_gradient(task: Task) -> Run:
    """The same with an accuracy predictor that only predicts."""
    accuracy = study(task.data, task.device).problem.predictors["top1"]
    return ours(task, accuracy=_OnlyPredicts(accuracy))


def ours_plain(task: Task) -> Run:
    """The same with the survivors and parents of NSGA-II as published."""
    space = study(task.data, task.device).space
    sampler = NSGAIISampler(space, seed=task.seed)
    return ours(task, sampler=sampler, seed=None)


def pymoo(task: Task) -> Run:
    """pymoo's NSGA-II, tuned."""
    recorder = Recorder(task)
    _pymoo.search(recorder.problem.space, recorder, task.budgets[-1], task.seed)
    return recorder.run()


def optuna_nsgaii(task: Task) -> Run:
    """Optuna's own NSGA-II on all parameters, trial by trial."""
    recorder = Recorder(task)
    sampler = optuna.samplers.NSGAIISampler(population_size=100, seed=task.seed)
    peer = optuna.create_study(directions=recorder.problem.directions, sampler=sampler)
    space = recorder.problem.space

    def objective(trial: optuna.Trial) -> tuple[float, ...]:
        return tuple(recorder(space.to_matrix([space.suggest(trial)]))[0].tolist())

    peer.optimize(objective, n_trials=task.budgets[-1])
    return recorder.run()


def random_sample(task: Task) -> Run:
    """Random subnets, a thousand at a time."""
    recorder = Recorder(task)
    rng = np.random.default_rng(task.seed)
    for start in range(0, task.budgets[-1], 1000):
        recorder(recorder.problem.space.sample(min(1000, task.budgets[-1] - start), seed=rng))
    return recorder.run()


def finder(task: Task) -> Run:
    """The finder of the ``ofa`` package; takes one budget, which it splits over its limits."""
    problem = study(task.data, task.device).problem
    peer = Finder(task.data)
    (budget,) = task.budgets
    start = time.perf_counter()
    peer.search(budget, task.seed)
    seconds = {budget: time.perf_counter() - start}
    matrix = peer.evaluated(problem.space)
    return Run(matrix, problem.evaluate(matrix).values, seconds)


SEARCHES: Mapping[str, Callable[[Task], Run]] = {
    "ours": ours,
    "ours-sqlite": ours_sqlite,
    "ours-without-gradient": ours_without_gradient,
    "ours-plain-nsgaii": ours_plain,
    "pymoo": pymoo,
    "optuna": optuna_nsgaii,
    "finder": finder,
    "random": random_sample,
}
