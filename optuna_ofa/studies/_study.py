"""A study that searches a supernet: an `optuna.Study` that can also run in batches."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.storages import BaseStorage
from tqdm import tqdm

from optuna_ofa._errors import (
    EmptyFrontError,
    InvalidArgumentError,
    SearchSpaceExhaustedError,
)
from optuna_ofa.samplers import NSGAIISampler, nondominated
from optuna_ofa.space import SearchSpace
from optuna_ofa.space._space import Matrix
from optuna_ofa.studies._archive import Archive
from optuna_ofa.studies._ask_tell import Asked, ask, tell
from optuna_ofa.studies._failed import add_failed
from optuna_ofa.studies._front import Front, FrontPoint, describe
from optuna_ofa.studies._heartbeat import Heartbeat
from optuna_ofa.studies._keep import Generation, Keep, summaries
from optuna_ofa.studies._measured import Measured
from optuna_ofa.studies._problem import Problem
from optuna_ofa.studies._public_store import PublicStore
from optuna_ofa.studies._results import EVALUATED, Batch, Results
from optuna_ofa.studies._running import snapshot
from optuna_ofa.studies._store import Store
from optuna_ofa.studies._table_store import TableStore
from optuna_ofa.studies._tables import relational

if TYPE_CHECKING:
    import plotly.graph_objects as go

Kind = Literal["predicted", "evaluated"]


class SubnetStudy(optuna.Study):
    """An Optuna study over the subnets of a supernet; made by `optuna_ofa.study`.

    Everything of `optuna.Study` works as ever. On top, `search` runs the sampler on whole
    batches of predictions, which makes ten thousands of trials a matter of seconds.

    Args:
        study_name: Name of a study that exists in the storage.
        storage: The storage.
        sampler: The sampler of the space.
        problem: Space, objectives, constraints and predictors.
        keep: What `search` writes of a generation: ``"all"`` or ``"front"``.
    """

    def __init__(
        self,
        *,
        study_name: str,
        storage: BaseStorage,
        sampler: NSGAIISampler,
        problem: Problem,
        keep: Keep = "all",
    ) -> None:
        super().__init__(study_name, storage, sampler=sampler)
        self.problem = problem
        self._subnet_sampler = sampler
        self._archive = Archive(problem)
        self._tables = relational(self)
        self._store: Store = (
            PublicStore(self, problem, keep)
            if self._tables is None
            else TableStore(self._study_id, self._tables, problem, keep)
        )
        self._heartbeat = Heartbeat(self._storage)

    @property
    def space(self) -> SearchSpace:
        """The search space; an objective of your own calls ``study.space.suggest(trial)``."""
        return self.problem.space

    # ------------------------------------------------------------------ search

    def search(self, n_evaluations: int, *, progress: bool | None = None) -> None:
        """Search on the predictors, a generation at a time.

        Trials that were enqueued are run first. Ends early, without an error, when every
        subnet of the space has been evaluated or a predictor called `stop`, which lets the
        generation be finished. Values are predictions; each trial says so in its user attribute
        ``kind``.

        Args:
            n_evaluations: Trials to add to those that the study has.
            progress: Whether to show a progress bar; None shows it on a terminal only.

        Raises:
            InvalidArgumentError: If ``n_evaluations`` is negative.
            InfeasibleConstraintError: If no subnet can satisfy a constraint; with the best value
                that can be reached.
            PredictionError: If a predictor returns something that is no number; trials that
                were written stay, none of the failing batch is written. If a predictor raises
                for all subnets of a batch; their trials are marked as failed. If it raises for
                some, only these are, with a `FailedPredictionWarning`.
        """
        if n_evaluations < 0:
            raise InvalidArgumentError(
                f"`n_evaluations` must not be negative, but got {n_evaluations}."
            )
        self.problem.require_reachable()
        self._stop_flag = False
        hidden = None if progress is None else not progress
        with tqdm(total=n_evaluations, disable=hidden, unit="subnet", desc="search") as bar:
            self._refresh()
            done = self._run_enqueued(n_evaluations)
            bar.update(done)
            self._refresh()
            failed = snapshot(self, self.space, self._tables).failed
            self._subnet_sampler.evolution.forbid(failed)
            with self._stoppable(), contextlib.suppress(SearchSpaceExhaustedError):
                while done < n_evaluations and not self._stop_flag:
                    n = min(self._subnet_sampler.population_size, n_evaluations - done)
                    done += (added := self._run_generation(n))
                    bar.update(added)

    @contextlib.contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Let `optuna.Study.stop` be called, which is refused outside of `optimize`."""
        outer = self._thread_local.in_optimize_loop
        self._thread_local.in_optimize_loop = True
        try:
            yield
        finally:
            self._thread_local.in_optimize_loop = outer

    def _run_enqueued(self, at_most: int) -> int:
        n = min(self._store.count_waiting(), at_most)
        if n:
            self.optimize(self.problem, n_trials=n)
        return n

    def _run_generation(self, n: int) -> int:
        """Ask, predict, write, tell; returns how many nobody else had evaluated by then."""
        started = datetime.datetime.now()
        matrix = self._subnet_sampler.evolution.ask(n)
        attempt = self.problem.try_evaluate(matrix)
        add_failed(self, self.problem, matrix, attempt, started)
        matrix = matrix[attempt.done]
        batch = Batch(matrix, *attempt.evaluation, started, datetime.datetime.now())
        written = self._store.write(batch)
        for results in (written.news, written.own):
            self._archive.add(results, told=True)
        self._tell(*written.news[:3])
        self._tell(*batch[:3])
        if written.n_evaluated == 0:  # another worker makes the same choices at the same time
            self._subnet_sampler.reseed_rng()
        return written.n_evaluated + len(attempt.errors)

    def _refresh(self) -> None:
        """Take in what other processes, or an earlier one, have written."""
        self._archive.add(self._store.read())
        self._tell(*self._archive.take_untold()[:3])

    def _tell(
        self,
        matrix: Matrix,
        values: NDArray[np.float64],
        constraints: NDArray[np.float64],
    ) -> None:
        violations = self.problem.violations(np.nan_to_num(constraints))
        self._subnet_sampler.evolution.tell(matrix, values * self.problem.signs, violations)

    # ------------------------------------------------------------------ measuring

    def ask_batch(self, n: int) -> list[Asked]:
        """Promising subnets to measure, each with a trial that runs until `tell_batch`.

        They are spread along the front of the predicted trials, its ends included and away from
        what has been or is being evaluated; if that has too few, the sampler proposes more, on
        predictions that are not stored. None has been evaluated or has failed in this study or
        runs in another process; where the storage is neither relational nor in memory, two
        processes that ask in the same instant may still get the same ones. Subnets that satisfy
        the constraints by their predictions come first. Trials that were enqueued are left to
        `search` and `optimize`.

        Where the storage has a heartbeat interval, the heartbeat of the trials is recorded until
        they are told, and trials of callers that died are failed by the next call, here or
        elsewhere; their subnets may be given again. Without one they run until they are told.

        Args:
            n: How many subnets.

        Returns:
            The most telling first; fewer than ``n`` only if the space has no more.

        Raises:
            InvalidArgumentError: If ``n`` is no whole number or below 1.
            InfeasibleConstraintError: As `search`.
            PredictionError: If a predictor returns something that is no number.
            SearchSpaceExhaustedError: If no subnet is left.
        """
        return ask(self, n)

    def tell_batch(
        self,
        asked: Iterable[Asked],
        values: Iterable[Measured],
        *,
        constraints: Mapping[str, Iterable[float]] | None = None,
    ) -> None:
        """Finish trials with what was measured, of all or some that were asked, in any order.

        The trials are of kind ``"evaluated"``, with the predictions beside them as user attribute
        ``predicted``. Nothing is written unless all of it is right.

        Args:
            asked: What `ask_batch` gave.
            values: A row for each, the objectives in their order and units; None, or a row with
                NaN, marks a trial as failed (its user attribute ``error`` is then "not measured"),
                and its subnet is not proposed again.
            constraints: ``(n,)`` values of constrained metrics that are no objectives, in their
                own units; of those that are not given, or NaN, the predictions count.

        Raises:
            InvalidArgumentError: If the rows do not fit, a number is infinite, or something was
                not asked for by this study or has been told already.
        """
        tell(self, asked, values, constraints)

    # ------------------------------------------------------------------ results

    def front(self, *, kind: Kind | None = None) -> Front:
        """The Pareto front of the feasible trials.

        Args:
            kind: ``"predicted"`` or ``"evaluated"`` (by an objective of your own); a front never
                has both. None takes the one kind that the study has.

        Returns:
            Points sorted by latency, or by the last objective where latency is none.

        Raises:
            EmptyFrontError: If there is no feasible trial; with the one that violates least.
            InvalidArgumentError: If the study has both kinds and ``kind`` is None.
        """
        chosen = self._chosen(kind)
        if not chosen.feasible.any():
            raise self._empty(chosen, kind)
        best = chosen.select(chosen.feasible)
        best = best.select(nondominated(best.values * self.problem.signs))
        best = best.select(np.unique(best.matrix, axis=0, return_index=True)[1])
        names = self.problem.objectives
        by = names.index("latency_ms") if "latency_ms" in names else len(names) - 1
        best = best.select(np.argsort(best.values[:, by], kind="stable"))
        return Front(self._points(best), names)

    def _chosen(self, kind: Kind | None) -> Results:
        """The results of one kind, after a look at what is new."""
        self._archive.add(self._store.read())
        results = self._archive.all()
        kinds = np.unique(results.kinds).tolist()
        if kind not in (None, "predicted", EVALUATED):
            raise InvalidArgumentError(
                f"`kind` must be 'predicted' or 'evaluated', but got {kind!r}."
            )
        if kind is None and len(kinds) > 1:
            raise InvalidArgumentError(
                f"`kind` must be given, one of {kinds}, because the study has all of them and a "
                f"front never mixes them, but got None."
            )
        return results.select(results.kinds == (kind or kinds[0])) if kinds else results

    def _points(self, results: Results) -> list[FrontPoint]:
        names = self.problem.objectives
        predicted = results.kinds == "predicted"
        stds = {m: self.problem.predictors[m].predict_std(results.matrix) for m in names}
        return [
            FrontPoint(
                subnet=subnet,
                values=dict(zip(names, results.values[i].tolist(), strict=True)),
                std={
                    m: float(s[i])
                    for m, s in stds.items()
                    if s is not None and predicted[i] and np.isfinite(s[i])
                },
                kind=str(results.kinds[i]),
                trial_number=int(results.numbers[i]),
            )
            for i, subnet in enumerate(self.space.from_matrix(results.matrix))
        ]

    def _empty(self, results: Results, kind: Kind | None) -> EmptyFrontError:
        if len(results.numbers) == 0:
            of_kind = f"{kind} trial" if kind else "finished trial yet; call `search` first"
            return EmptyFrontError(f"The study has no {of_kind}.")
        i = int(self.problem.violations(np.nan_to_num(results.constraints)).argmin())
        nearest = dict(zip(self.problem.objectives, results.values[i].tolist(), strict=True))
        return EmptyFrontError(
            f"None of {len(results.numbers)} trials satisfies {self.problem.constraints}; the "
            f"nearest has {describe(nearest, {})}."
        )

    def plot_front(self, *, kind: Kind | None = None) -> go.Figure:
        """Draw the Pareto front over the other feasible trials, with the constraints.

        Args:
            kind: As in `front`.

        Returns:
            A plotly figure; ``write_html`` and ``write_image`` save it.

        Raises:
            EmptyFrontError: As `front`.
        """
        from optuna_ofa.visualization import plot_front

        return plot_front(self, kind=kind)

    def results(self, *, kind: Kind | None = None) -> Results:
        """All finished trials of a kind as arrays, infeasible ones included.

        Args:
            kind: As in `front`.
        """
        return self._chosen(kind)

    def generations(self) -> list[Generation]:
        """Summaries of the generations that `search` ran with ``keep="front"``, of all workers.

        They are the system attributes ``optuna_ofa:generation:00000000`` and so on of the study.
        """
        return summaries(self._storage.get_study_system_attrs(self._study_id))
