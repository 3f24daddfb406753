"""A study that searches a supernet: an `optuna.Study` that can also run in batches."""

from __future__ import annotations

import contextlib
import datetime
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from optuna.storages import BaseStorage

from optuna_ofa._arguments import Count, NonNegativeFloat, OutputFile, Positive, StorageUrl, checked
from optuna_ofa._loaders import Loader
from optuna_ofa._progress import Bar
from optuna_ofa._rules import Instead, Rule
from optuna_ofa.fronts import Front, FrontPoint, Generation, Limits, Snapshot, find_front, of_kind
from optuna_ofa.predictors import Conditions
from optuna_ofa.problem import Evaluated, Kind
from optuna_ofa.samplers import EvolutionarySampler
from optuna_ofa.space import Subnet
from optuna_ofa.storage import make_study, open_storage, open_store
from optuna_ofa.studies._ask import Asked
from optuna_ofa.studies._budget import Budget
from optuna_ofa.studies._engine import ProposeGuests
from optuna_ofa.studies._notebook import html_of_study
from optuna_ofa.studies._seeds import given_seeds, seed_attributes
from optuna_ofa.studies._tell import Measured
from optuna_ofa.studies._trial_study import TrialStudy

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from optuna.artifacts._protocol import ArtifactStore
    from torch import Tensor, nn

    from optuna_ofa.dashboard import Published
    from optuna_ofa.supernet import Supernet
    from optuna_ofa.verification import Meter, Verification


def _takes_study(callback: Callable[..., Any]) -> bool:
    inspect.signature(callback).bind("a study")
    return True


def _are_rows(values: Any) -> bool:
    return iter(values) is not None and not isinstance(values, str | bytes | Mapping)


def _stores_artifacts(value: Any) -> bool:
    return all(callable(getattr(value, name)) for name in ("open_reader", "write", "remove"))


Artifacts = Annotated[
    "ArtifactStore", Instead("an artifact store of optuna.artifacts", _stores_artifacts)
]
Callback = Annotated[
    Callable[["SubnetStudy"], None],
    Rule("a function of the study alone (callbacks of `optimize` take a trial too)", _takes_study),
]


class SubnetStudy(TrialStudy):
    """An Optuna study over the subnets of a supernet; made by `optuna_ofa.study`.

    Everything of `optuna.Study` works as ever. On top, `search` runs the sampler on whole
    batches of predictions, which makes ten thousands of trials a matter of seconds.

    Args:
        study_name: Name of a study that exists in the storage.
        storage: The storage.
        sampler: The sampler of `optimize`; one that learns from measurements chooses those of
            `ask_batch` too.
        evolution: What `search` starts from.
        problem: Space, objectives, constraints and predictors.
        keep: What `search` writes of a generation: ``"all"``, ``"front"`` or ``"sample"``.

    Attributes:
        problem: The problem.
        engine: The search, and all that is known of its trials.
    """

    def __repr__(self) -> str:
        words = [repr(self.study_name), self.space.family.name, " / ".join(self.problem.objectives)]
        if "latency_ms" in self.problem.metrics:
            words.append(f"latency predicted for {Conditions.of(self.problem.facts('latency_ms'))}")
        return f"SubnetStudy({', '.join(words)})"

    def _repr_html_(self) -> str:
        return html_of_study(self)

    # ------------------------------------------------------------------ search

    @checked
    def search(
        self,
        n_trials: Count | None = None,
        *,
        until: Count | None = None,
        timeout: NonNegativeFloat | None = None,
        progress: bool | None = None,
        callbacks: Iterable[Callback] = (),
    ) -> None:
        """Search on the predictors, a generation at a time.

        ``n_trials`` adds to the trials that the study has; ``until`` fills it up to a total, so
        that the same script, run again, adds nothing. One of them or ``timeout`` is required.

        Trials that were enqueued are run first, but not those that wait because the process that
        measured them died (`ask_batch`, `optimize`): these are measured again. Ends early,
        without an error, when every subnet of the space has been evaluated or a predictor called
        `stop`, which lets the generation be finished. Values are predictions; each trial says so
        in its user attribute ``kind``.

        Several processes may search one study in a database at the same time. Each learns with
        every generation what the others have found, and subnets that another has finished in the
        meantime are dropped and replaced by new ones.

        The search knows predictions only: trials that run or were evaluated count with what is
        predicted for their subnets. So a process that continues a study goes on as the one that
        it follows would have. What an objective of your own returns to `optimize` is learnt by
        the sampler there.

        Args:
            n_trials: Evaluations to add, by this process alone; every one is a trial unless the
                study was made with ``keep``.
            until: Evaluations that the study is to have in total, whoever made them: its complete
                trials, predicted and measured, and with ``keep`` also those that were not written.
                Failed trials are not counted. Not together with ``n_trials``. Several processes
                end at the same total: exactly in a relational database, elsewhere and with
                ``keep`` each further process may add a generation more.
            timeout: Seconds after which no generation is begun any more; the one that runs is
                finished.
            progress: Whether to show a progress bar; None shows it on a terminal only.
            callbacks: Called with the study after each generation, such as
                `optuna_ofa.dashboard.PublishEvery`.

        Raises:
            InvalidArgumentError: If a number is negative, none of the three is given,
                ``n_trials`` and ``until`` are, or a metric has no predictor.
            InfeasibleConstraintError: If no subnet can satisfy a constraint; with the best value
                that can be reached.
            PredictionError: If a predictor returns something that is no number; trials that
                were written stay, none of the failing batch is written. If a predictor raises
                for all subnets of a batch; their trials are marked as failed. If it raises for
                some, only these are, with a `FailedPredictionWarning`.
            StorageError: If the database refuses a generation, of which nothing is written then.
        """
        hidden = None if progress is None else not progress
        budget = Budget(n_trials=n_trials, until=until, timeout=timeout)
        with self.search_bar(budget, disable=hidden, desc="search") as bar:
            for added in self.search_steps(budget):
                bar.update(added)
                with self._stoppable():
                    for callback in callbacks:
                        callback(self)

    def search_bar(self, budget: Budget, **options: Any) -> Bar:
        """Return a progress bar of `search_steps`, with options of tqdm."""

        def n_evaluated() -> int:
            self.engine.results()  # reads what is new
            return self.engine.n_evaluated()

        total, initial = budget.bar(n_evaluated)
        return Bar(total=total, initial=initial, unit="subnet", **options)

    def search_steps(self, budget: Budget, guests: ProposeGuests | None = None) -> Iterator[int]:
        """Search a generation at a time, for callers that do something else in between.

        Args:
            budget: How many evaluations, those of guests included, or how long.
            guests: As in `Engine.generations`.

        Yields:
            How many subnets were evaluated since the last time.
        """
        self.problem.require_predictors()
        self.problem.require_reachable()
        self._stop_flag = False
        n_enqueued = self.engine.refresh().n_enqueued
        if done := min(n_enqueued, budget.left(self.engine.n_evaluated)):
            self._leaves_retries = True
            try:
                self.optimize(self.problem, n_trials=done, timeout=budget.seconds_left())
            finally:
                self._leaves_retries = False
            budget.spend(done)
            yield done
            self.engine.refresh()
        steps = self.engine.generations(budget, guests)
        while not self._stop_flag:
            with self._stoppable():
                added = next(steps, None)
            if added is None:
                break
            yield added

    @contextlib.contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Let `optuna.Study.stop` be called, which is refused outside of `optimize`."""
        outer = self._thread_local.in_optimize_loop
        self._thread_local.in_optimize_loop = True
        try:
            yield
        finally:
            self._thread_local.in_optimize_loop = outer

    # ------------------------------------------------------------------ measuring

    @checked
    def ask_batch(self, n: Positive) -> list[Asked]:
        """Promising subnets to measure, each with a trial that runs until `tell_batch`.

        They are spread along the front of the predicted trials, its ends included and away from
        what has been or is being evaluated; if that has too few, the sampler proposes more, on
        predictions that are not stored. In a study that learns (``learn=True``) they are chosen by
        models of what was measured as soon as ten are: those that may extend the measured front
        the most if they are somewhat better than predicted.

        None has been evaluated or has failed in this study or runs in another process; where the
        storage is neither relational nor in memory, two processes that ask in the same instant
        may still get the same ones. Subnets that satisfy the constraints by their predictions
        come first. Trials that were enqueued are left to `search` and `optimize`.

        Where the storage has a heartbeat interval, the heartbeat of the trials is recorded until
        they are told, and trials of callers that died are failed by the next call, here or
        elsewhere; their subnets may be given again. With Optuna's
        ``RetryHeartbeatStaleTrialCallback`` they wait to be tried anew: such trials come first
        here, as often as it allows, and `search` leaves them alone. Without a heartbeat trials
        run until they are told; one that was told to have failed is not given again.

        Args:
            n: How many subnets.

        Returns:
            The most informative first; fewer than ``n`` only if the space has no more.

        Raises:
            InvalidArgumentError: If ``n`` is no whole number or below 1.
            InfeasibleConstraintError: As `search`.
            PredictionError: If a predictor returns something that is no number.
            SearchSpaceExhaustedError: If no subnet is left.
        """
        asked = self.engine.ask(n, self.sampler)
        for one in asked:
            one.trial.study = self
        return asked

    @checked
    def tell_batch(
        self,
        asked: Iterable[Asked],
        values: Annotated[Iterable[Measured], Instead("rows of numbers", _are_rows)],
        *,
        constraints: Mapping[str, Annotated[Iterable[float], Instead("numbers", _are_rows)]]
        | None = None,
    ) -> None:
        """Finish trials with what was measured, of all or some that were asked, in any order.

        The trials are of kind ``"measured"``, with the predictions beside them as user attribute
        ``predicted``. Nothing is written unless all of it is right; a database gets a batch in one
        transaction. Standard deviations of the values are the trials' user attribute
        ``measured_std``: ``asked[0].trial.set_user_attr("measured_std", {"top1": 0.3})``, before.

        Args:
            asked: What `ask_batch` gave.
            values: A row for each, the objectives in their order and units; None, or a row with
                NaN, marks a trial as failed (its user attribute ``error`` is then "not measured"),
                and its subnet is not proposed again.
            constraints: ``(n,)`` values of constrained metrics that are no objectives, in their
                own units; of those that are not given, or NaN, the predictions count.

        Raises:
            InvalidArgumentError: If the rows do not fit, a number is infinite or none that its
                metric can have (top-1 is from 0 to 100, costs are positive), two fit what was
                predicted only if they are exchanged, or something was not asked for by this study
                or has been told already.
            StorageError: If the database refuses, and then nothing was written.

        Warns:
            ImplausibleValueWarning: Accuracies are probably fractions.
        """
        self.engine.tell(asked, values, constraints)

    @checked
    def verify(
        self,
        measure: Mapping[str, Meter | Callable[[Subnet], Any]],
        *,
        points: Positive | Iterable[FrontPoint | Subnet] | None = None,
        progress: bool | None = None,
    ) -> Verification:
        """Measure subnets of the predicted front and compare with what was predicted.

        A subnet whose objectives are all measured, or exact (``n_macs`` and the other costs),
        becomes a trial of kind ``"measured"``, with the user attributes ``predicted``,
        ``predicted_std`` and ``measured_std``; others are in the result alone, and their
        measurements in the database where there is one. A subnet that the study has a measured
        trial of is not measured again. Trials are written after every few subnets
        (`Meter.n_together`).

        A subnet that cannot be measured is no trial, and the next call tries it again.

        Args:
            measure: How each of one or several objectives and constrained metrics is measured: an
                `AccuracyMeter`, a `LatencyMeter`, a `Meter` of your own, or a function that takes
                a subnet and returns a number, or a number and its standard deviation, or None.
                Of constrained metrics that are neither measured nor exact the predictions count.
            points: None is the whole predicted front, a number that many far from each other
                along it, the ends included; or points of a front, or subnets.
            progress: Whether to show a progress bar; None shows it on a terminal only.

        Raises:
            EmptyFrontError: If the predicted front is asked for and empty.
            InvalidArgumentError: If an argument breaks a rule, or what is measured is no number, a
                value that its metric cannot have, or two that fit what was predicted only if they
                are exchanged; what was measured before is kept.
            MeasurementError: If something that measures does not answer any more; what was
                measured before is kept, and another call goes on.
            StorageError: If the database cannot be reached or written.

        Warns:
            FailedMeasurementWarning: Some subnets could not be measured; the rest go on.
            ImplausibleValueWarning: Accuracies are probably fractions.
        """
        from optuna_ofa.verification import verify  # needs torch

        return verify(self, self.store, measure, points=points, progress=progress)

    # ------------------------------------------------------------------ results

    @checked
    def front(self, *, kind: Kind | None = None) -> Front:
        """Return the Pareto front of the feasible trials.

        A trial is feasible if its values are finite and it violates no constraint, neither of the
        problem nor one that it has set itself (`optuna.Trial.set_constraint`).

        Args:
            kind: ``"predicted"`` or ``"measured"`` (by `verify`, `tell_batch` or an objective of
                your own); a front never has both. None is measured where a measured trial is
                feasible, else predicted.

        Returns:
            Points sorted by latency; where it is no objective by another cost, the first of
            ``n_macs``, ``n_params``, ``moved_mb`` and ``peak_memory_mb``. Each says its kind, as
            the front does when it is printed.

        Raises:
            EmptyFrontError: If there is no feasible trial; with the one that violates least.
            InvalidArgumentError: If ``kind`` is unknown.
        """
        return find_front(self.problem, self.results(kind=kind), kind, self.notes)

    @checked
    def plot_front(
        self,
        *,
        limits: Limits | None = None,
        picks: Mapping[str, FrontPoint] | None = None,
        kind: Kind | None = None,
    ) -> go.Figure:
        """Draw the Pareto front over the other feasible trials, with its knee and the constraints.

        The first cost is across, accuracy upwards, and a third objective the colour.

        Args:
            limits: Upper limits of the cost; the best subnet within each is marked.
            picks: More subnets to mark, by name.
            kind: As in `front`, but None draws the fronts of both kinds, apart, where the study
                has both.

        Returns:
            A plotly figure; ``write_html`` and ``write_image`` save it.

        Raises:
            EmptyFrontError: As `front`.
        """
        from optuna_ofa.visualization import plot_front

        return plot_front(self, limits=limits, picks=picks, kind=kind)

    @checked
    def publish(
        self,
        *,
        limits: Limits | None = None,
        picks: Mapping[str, FrontPoint] | None = None,
        kind: Kind | None = None,
        artifact_store: Artifacts | None = None,
        supernet: Supernet | nn.Module | None = None,
        format: str = "torch_export",
        calibration: Loader | Tensor | None = None,
    ) -> Published:
        """Show pictures, a table of the best subnets and their files in Optuna Dashboard.

        All that is drawn goes to the page of the study, a table and where the values come from
        into its note, and what each picked subnet looks like into the note of its trial. Another
        call replaces what this one wrote; what others wrote in the notes stays. A database gets
        all of it in one transaction. To do this while a search runs, give `search` a
        `optuna_ofa.dashboard.PublishEvery`.

        Args:
            limits: Upper limits of the latency, or of the last cost; the table has the best
                subnet within each. None takes five along the front.
            picks: More subnets by name, such as ``{"knee": study.front().knee()}``.
            kind: Whether values are predicted or measured ones; None takes measured ones where
                there are any. The picture of the front shows both.
            artifact_store: Where files of the picked subnets go (`optuna.artifacts`): the
                ``net.config``, and with a ``supernet`` the model. The dashboard has to be started
                with the same store.
            supernet: What models are taken from, as in `optuna_ofa.deployment.export`.
            format: Their format, as there.
            calibration: Images for their batch normalisation, as there.

        Raises:
            MissingDependencyError: If optuna-dashboard, or what writes ``format``, is not
                installed.
            EmptyFrontError: As `front`.
            InvalidArgumentError: If a limit is not a positive number or no subnet is within it, or
                there is a ``supernet`` and no ``artifact_store``.
            StorageError: If the database refuses, and then nothing was written to it.
        """
        from optuna_ofa.dashboard import publish

        return publish(
            self,
            self.store,
            limits=limits,
            picks=picks,
            kind=kind,
            artifact_store=artifact_store,
            supernet=supernet,
            format=format,
            calibration=calibration,
        )

    @checked
    def report(
        self,
        path: OutputFile,
        *,
        limits: Limits | None = None,
        picks: Mapping[str, FrontPoint] | None = None,
        kind: Kind | None = None,
        title: str | None = None,
    ) -> Path:
        """Write a page for readers without Python; `optuna_ofa.reports.report` for this study.

        Args:
            path: The file; its folder must exist.
            limits: As in `publish`, like ``picks`` and ``kind``.
            picks: As in `publish`.
            kind: As in `publish`.
            title: Of the page; None names the study.

        Raises:
            EmptyFrontError: As `front`.
            InvalidArgumentError: If a limit is not a positive number or no subnet is within it, or
                nothing can be written to the path.
        """
        from optuna_ofa.reports import report

        return report(self, path, limits=limits, picks=picks, kind=kind, title=title)

    @checked
    def results(self, *, kind: Kind | None = None) -> Evaluated:
        """Return all finished trials of a kind as arrays, infeasible ones included.

        Args:
            kind: As in `front`; a study never gives both at once.

        Raises:
            InvalidArgumentError: If ``kind`` is unknown.
        """
        return of_kind(self.engine.results(), kind)

    def generations(self) -> list[Generation]:
        """Summaries of the generations that `search` ran and did not keep all of, of all workers.

        They are the system attributes ``optuna_ofa:generation:00000000`` and so on of the study.
        """
        return self.store.generations()

    @checked
    def seconds(self, numbers: Sequence[Count]) -> NDArray[np.float64]:
        """Return when trials finished, in seconds since the first of them was started.

        Args:
            numbers: The numbers of the trials.

        Returns:
            ``(n,)``; NaN where a trial has not finished or has no times.
        """
        return self.store.seconds(numbers)

    def notes(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Return the user attributes of trials, in the order of their numbers."""
        return self.store.notes(numbers)

    def snapshot(self) -> Snapshot:
        """Return the findings of this moment: the trials are read once, and do not change."""
        return Snapshot(
            study_name=self.study_name,
            problem=self.problem,
            seeds=given_seeds(self.store),
            evaluated=self.engine.results(),
            generations=self.generations(),
            seconds=self.seconds,
            notes=self.notes,
            finished=self.store.finished,
        )

    @checked
    def copy(
        self, storage: StorageUrl | BaseStorage | None, numbers: Sequence[Count]
    ) -> SubnetStudy:
        """Copy some finished trials into a study of the same name in another storage.

        Predicted trials are written anew, as of now; measured ones as they are. Their new numbers
        are from 0 on, in the order of the old ones.

        Args:
            storage: Where the copy goes; None keeps it in memory.
            numbers: The numbers of the trials.

        Returns:
            The copy, for looking at; search on in this study.

        Raises:
            optuna.exceptions.DuplicatedStudyError: If the storage has a study of that name.
            StorageError: If the database refuses.
        """
        shared = open_storage(storage)
        make_study(shared, self.study_name, self.problem)
        target = open_store(shared, self.study_name, self.problem, "all")
        target.set_attributes(seed_attributes(given_seeds(self.store)))
        known = self.engine.results()
        chosen = known.select(np.isin(known.numbers, numbers))
        chosen = chosen.select(np.argsort(chosen.numbers, kind="stable"))
        now = datetime.datetime.now()
        changes = np.flatnonzero(np.diff(chosen.measured.astype(int))) + 1
        for part in np.split(np.arange(len(chosen.numbers)), changes):  # runs of one kind
            rows = chosen.select(part)
            if rows.measured.any():
                self.store.copy_to(target, rows.numbers.tolist())
            elif len(part):
                target.write(rows, (now, now))
        sampler = EvolutionarySampler(self.space)
        return SubnetStudy(
            study_name=self.study_name,
            storage=shared,
            sampler=sampler,
            evolution=sampler.evolution,
            problem=self.problem,
        )
