"""The loop of `SubnetStudy.search`."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from tqdm import tqdm

from optuna_ofa._errors import InvalidArgumentError, SearchSpaceExhaustedError
from optuna_ofa.space._space import Matrix
from optuna_ofa.studies._failed import add_failed
from optuna_ofa.studies._results import Batch

if TYPE_CHECKING:
    from optuna_ofa.studies._study import SubnetStudy


Callback = Callable[["SubnetStudy"], None]


def search(
    study: SubnetStudy,
    n_evaluations: int,
    *,
    progress: bool | None,
    callbacks: Sequence[Callback] = (),
) -> None:
    """Search a generation at a time; see `SubnetStudy.search`."""
    require_number(n_evaluations)
    hidden = None if progress is None else not progress
    with tqdm(total=n_evaluations, disable=hidden, unit="subnet", desc="search") as bar:
        for added in generations(study, n_evaluations):
            bar.update(added)
            with _stoppable(study):
                for callback in callbacks:
                    callback(study)


def require_number(n_evaluations: int) -> None:
    """Refuse a negative number of evaluations.

    Raises:
        InvalidArgumentError: If it is negative.
    """
    if n_evaluations < 0:
        raise InvalidArgumentError(
            f"`n_evaluations` must not be negative, but got {n_evaluations}."
        )


def generations(
    study: SubnetStudy, n_evaluations: int, guests: Callable[[int], Matrix] | None = None
) -> Iterator[int]:
    """Search a generation at a time.

    Args:
        study: The study.
        n_evaluations: How many evaluations, those of guests included.
        guests: Takes how many evaluations are left, and returns the canonical genotypes of at
            most so many subnets to evaluate before the next generation.

    Yields:
        How many subnets were evaluated since the last time.
    """
    study.problem.require_reachable()
    study._stop_flag = False
    study._refresh()
    done = _run_enqueued(study, n_evaluations)
    if done:
        yield done
        study._refresh()
    with contextlib.suppress(SearchSpaceExhaustedError):
        while done < n_evaluations and not study._stop_flag:
            added = 0
            with _stoppable(study):
                if guests is not None and len(matrix := guests(n_evaluations - done)):
                    added += _run(study, matrix, datetime.datetime.now())
                if n := min(study._evolution.n_due, n_evaluations - done - added):
                    added += _run_generation(study, n)
            done += added
            yield added


@contextlib.contextmanager
def _stoppable(study: SubnetStudy) -> Iterator[None]:
    """Let `optuna.Study.stop` be called, which is refused outside of `optimize`."""
    outer = study._thread_local.in_optimize_loop
    study._thread_local.in_optimize_loop = True
    try:
        yield
    finally:
        study._thread_local.in_optimize_loop = outer


def _run_enqueued(study: SubnetStudy, at_most: int) -> int:
    n = min(study._store.count_waiting(), at_most)
    if n:
        study.optimize(study.problem, n_trials=n)
    return n


def _run_generation(study: SubnetStudy, n: int) -> int:
    """As `_run`, with what the search proposes."""
    started = datetime.datetime.now()
    return _run(study, study._evolution.ask(n), started)


def _run(study: SubnetStudy, matrix: Matrix, started: datetime.datetime) -> int:
    """Predict, write, tell; returns how many nobody else had evaluated by then."""
    attempt = study.problem.try_evaluate(matrix)
    add_failed(study, study.problem, matrix, attempt, started)
    matrix = matrix[attempt.done]
    batch = Batch(matrix, *attempt.evaluation, started, datetime.datetime.now())
    written = study._store.write(batch)
    study._archive.add(written.news)
    study._archive.add(written.own, told=True)
    study._learn()
    study._learner.tell(*batch[:3])
    if written.n_evaluated == 0:  # another worker makes the same choices at the same time
        study._evolution.reseed()
    return written.n_evaluated + len(attempt.errors)
