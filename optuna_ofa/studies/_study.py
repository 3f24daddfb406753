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

from optuna_ofa._arguments import (
    Count,
    NonNegativeFloat,
    OutputFile,
    Positive,
    PositiveFloat,
    StorageUrl,
    checked,
)
from optuna_ofa._loaders import Loader
from optuna_ofa._progress import Bar
from optuna_ofa._rules import Instead
from optuna_ofa._warnings import warn
from optuna_ofa.exceptions import ExtrapolationWarning
from optuna_ofa.executors import AnyExecutor
from optuna_ofa.fronts import (
    Front,
    FrontBound,
    FrontPoint,
    Generation,
    Limits,
    Snapshot,
    extrapolation_warning,
    find_front,
    of_kind,
    shown_name,
)
from optuna_ofa.predictors import Conditions
from optuna_ofa.problem import PREDICTED, Evaluated, Kind
from optuna_ofa.samplers import EvolutionarySampler
from optuna_ofa.space import Subnet
from optuna_ofa.storage import make_study, open_storage, open_store
from optuna_ofa.studies._ask import Asked
from optuna_ofa.studies._budget import Budget
from optuna_ofa.studies._callbacks import (
    CallbacksFor,
    MeasurementWatch,
    TrialCallback,
    TrialCallbacks,
)
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
    from optuna_ofa.studies._devices import MeasuringDevice
    from optuna_ofa.studies._refinement import Refinement
    from optuna_ofa.supernet import Supernet
    from optuna_ofa.verification import Meter, Verification


def _are_rows(values: Any) -> bool:
    return iter(values) is not None and not isinstance(values, str | bytes | Mapping)


def _stores_artifacts(value: Any) -> bool:
    return all(callable(getattr(value, name)) for name in ("open_reader", "write", "remove"))


def _are_devices(devices: Any) -> bool:
    return (
        isinstance(devices, Mapping)
        and len(devices) > 0
        and all(isinstance(name, str) and name for name in devices)
        and all(map(_measures, devices.values()))
    )


def _measures(device: Any) -> bool:
    """Return whether a subnet alone can be given to a device."""
    function = getattr(device, "measure", device)
    if isinstance(device, type) or not callable(function):
        return False
    with contextlib.suppress(ValueError):  # a builtin without a signature
        inspect.signature(function).bind(None)
    return True


Devices = Annotated[
    Mapping[str, "MeasuringDevice | Callable[[Any], Any]"],
    Instead(
        "at least one device by name, each a function of a subnet or an object with such a method "
        "`measure`",
        _are_devices,
    ),
]
Artifacts = Annotated[
    "ArtifactStore", Instead("an artifact store of optuna.artifacts", _stores_artifacts)
]


class SubnetStudy(TrialStudy):
    """An Optuna study over the subnets of a supernet; made by `optuna_ofa.study`.

    Everything in `optuna.Study` works as usual. In addition, `search` runs the sampler on whole
    batches of predictions, so that tens of thousands of trials take seconds.

    It can be pickled: a study in a database or a journal opens it again, and one in memory is
    copied with its trials.

    Args:
        study_name: Name of an existing study in the storage.
        storage: The storage.
        sampler: The sampler of `optimize`; if it learns from measurements, it also chooses the
            subnets of `ask_batch`.
        evolution: The initial state of `search`.
        problem: Space, objectives, constraints and predictors.
        keep: Which subnets of a generation `search` writes: ``"all"``, ``"front"`` or ``"sample"``.
        parameters: Which of their trials get parameters: ``"all"`` or ``"front"``.

    Attributes:
        problem: The problem.
        engine: The search, and all that is known about its trials.
    """

    def __repr__(self) -> str:
        words = [repr(self.study_name), self.space.name, " / ".join(self.problem.objectives)]
        if "latency_ms" in self.problem.metrics:
            words.append(f"latency predicted for {Conditions.of(self.problem.facts('latency_ms'))}")
        if self.problem.board is not None:
            words.append(f"for {self.problem.board}")
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
        callbacks: Iterable[TrialCallback] | None = None,
        callbacks_for: CallbacksFor = "best",
    ) -> None:
        """Search on the predictors, a generation at a time.

        ``n_trials`` adds to the trials that the study has; ``until`` fills it up to a total, so
        that running the same script again adds nothing. One of them or ``timeout`` is required.

        Enqueued trials are run first, but not trials that are waiting because the process that
        measured them died (`ask_batch`, `optimize`): these are measured again. The search ends
        early, without an error, when every subnet of the space has been evaluated or a predictor
        has called `stop`, after finishing the generation. Values are predictions; each trial says
        so in its user attribute ``kind``.

        Several processes may search one study in a database at the same time, and share the work:
        each proposes other subnets, also with the same seed, and learns what the others have found
        with every generation. The few subnets that another process has finished in the meantime
        are dropped and replaced by new ones.

        The search uses predictions only: running and measured trials count with the predictions for
        their subnets. A process that continues a study therefore continues as the previous one
        would have. Values returned by a custom objective of `optimize` are learnt by its sampler.

        Args:
            n_trials: Evaluations to add by this process; each becomes a trial unless the study was
                created with ``keep``.
            until: Total number of evaluations of the study, by any process: its complete trials,
                predicted and measured, and with ``keep`` also those that were not written. Failed
                trials are not counted. Not together with ``n_trials``. Several processes end at the
                same total: exactly in a relational database or a journal file; with other storages
                or ``keep``, each further process may add one more generation.
            timeout: Seconds after which no new generation starts; the running one is finished.
            progress: Whether to show a progress bar; None shows it on a terminal only.
            callbacks: Functions that are called with the study and a finished trial, as in
                `optimize`: `optuna.study.MaxTrialsCallback`, those of optuna-integration, or
                `optuna_ofa.dashboard.PublishEvery`. They are called after each generation, for
                trials that this process has just written, in their order. If one calls
                `optuna.Study.stop`, no further generation starts; if one raises, the search ends
                with that error, and all trials are kept.
            callbacks_for: The trials that they are called for: ``"best"`` for up to five of each
                generation, spread along the front, that extend the predicted front of the study,
                or for its last trial if none does; ``"all"`` for all complete ones. Enqueued trials
                are always among them.

        Raises:
            InvalidArgumentError: If a number is negative, none of the three is given, both
                ``n_trials`` and ``until`` are given, or a metric has no predictor.
            InfeasibleConstraintError: If no subnet can satisfy a constraint; the message has the
                best value that can be reached.
            PredictionError: If a predictor returns something that is not a number; nothing of that
                batch is written, earlier trials are kept. If a predictor raises for all subnets of
                a batch; their trials are marked as failed. If it raises for some, only these are
                marked, with a `FailedPredictionWarning`.
            StorageError: If the database cannot write a generation; nothing of it is written then.

        Warns:
            ExtrapolationWarning: At the end, once for a study: points of its predicted front are
                far from what a predictor was fitted on.
        """
        hidden = None if progress is None else not progress
        budget = Budget(n_trials=n_trials, until=until, timeout=timeout)
        calls = TrialCallbacks(self, callbacks or (), callbacks_for)
        with self.search_bar(budget, disable=hidden, desc="search") as bar:
            for added in self.search_steps(budget, callbacks=callbacks):
                bar.update(added)
                calls()
        self.warn_extrapolated()

    def search_bar(self, budget: Budget, **options: Any) -> Bar:
        """Return a progress bar of `search_steps`, with options of tqdm."""

        def n_evaluated() -> int:
            self.engine.results()  # reads new trials
            return self.engine.n_evaluated()

        total, initial = budget.bar(n_evaluated)
        return Bar(total=total, initial=initial, unit="subnet", **options)

    def search_steps(
        self,
        budget: Budget,
        guests: ProposeGuests | None = None,
        callbacks: Iterable[TrialCallback] | None = None,
    ) -> Iterator[int]:
        """Search a generation at a time, for callers that do something else in between.

        Args:
            budget: How many evaluations, including those of guests, or how long.
            guests: As in `Engine.generations`.
            callbacks: Called for each enqueued trial; the caller calls them for all others.

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
                seconds = budget.seconds_left()
                self.optimize(self.problem, n_trials=done, timeout=seconds, callbacks=callbacks)
            finally:
                self._leaves_retries = False
            budget.spend(done)
            yield done
            self.engine.refresh()
        steps = self.engine.generations(budget, guests)
        while not self._stop_flag:
            with self.stoppable():
                added = next(steps, None)
            if added is None:
                break
            yield added

    def warn_extrapolated(self) -> None:
        """Warn once that points of the predicted front are extrapolated, at the end of a search."""
        if self._has_warned or PREDICTED not in (found := self.snapshot()).kinds:
            return
        front = found.front(kind=PREDICTED)
        if text := extrapolation_warning(self.problem, front, shown_name(found)):
            self._has_warned = True
            warn(text, ExtrapolationWarning)

    # ------------------------------------------------------------------ measuring

    @checked
    def ask_batch(self, n: Positive) -> list[Asked]:
        """Return promising subnets to measure, each with a trial that runs until `tell_batch`.

        They are spread along the front of the predicted trials, including its ends and away from
        subnets that have been or are being evaluated. If the front has too few, the sampler
        proposes more, on predictions that are not stored. A study that learns (``learn=True``)
        chooses them by models fitted to the measurements as soon as there are ten: those that
        would extend the measured front the most if they are somewhat better than predicted.

        No subnet is returned that was evaluated or failed in this study, or is being evaluated by
        another process; if the storage is neither relational nor a journal file nor in memory, two
        processes that call this at the same instant may get the same ones. Subnets that are
        predicted to satisfy the constraints come first. Enqueued trials are left to `search` and
        `optimize`.

        If the storage has a heartbeat interval, the heartbeat of the trials is recorded until they
        are told. Trials of callers that died are marked as failed by the next call in any process,
        and their subnets may be returned again. With Optuna's ``RetryHeartbeatStaleTrialCallback``
        they wait for another try: such trials come first here, as often as the callback allows, and
        `search` does not run them. Without a heartbeat, trials run until they are told; a subnet
        whose trial was told to have failed is not returned again.

        Args:
            n: How many subnets.

        Returns:
            The subnets, the most informative first; fewer than ``n`` only if no more are left.

        Raises:
            InvalidArgumentError: If ``n`` is not a whole number of at least 1.
            InfeasibleConstraintError: As `search`.
            PredictionError: If a predictor returns something that is not a number.
            SearchSpaceExhaustedError: If no subnet is left.
        """
        with self._asking:  # between threads, which would get the same subnets
            asked = self.engine.ask(n, self.sampler)
            for one in asked:
                one.trial.study = self
            self.engine.took()
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
        """Finish trials with measurements, all or some of a batch, in any order.

        The trials are of kind ``"measured"``, with the predictions in the user attribute
        ``predicted``. Nothing is written unless everything is valid; a database gets a batch in one
        transaction. Standard deviations of the values go into the user attribute ``measured_std``,
        set before: ``asked[0].trial.set_user_attr("measured_std", {"top1": 0.3})``.

        Args:
            asked: Subnets returned by `ask_batch`.
            values: A row for each, with the objectives in their order and units; None, or a row
                with NaN, marks a trial as failed (its user attribute ``error`` is then "not
                measured"), and its subnet is not proposed again.
            constraints: ``(n,)`` values of constrained metrics that are not objectives, in their
                units; predictions are used for those that are not given, or NaN.

        Raises:
            InvalidArgumentError: If the rows do not fit, a number is infinite or not possible for
                its metric (top-1 is from 0 to 100, costs are positive), two fit the predictions
                only if they are exchanged, or a trial was not started by this study or has already
                been told.
            StorageError: If the database cannot be written; nothing is written then.

        Warns:
            ImplausibleValueWarning: Accuracies are probably fractions.
        """
        self.engine.tell(asked, values, constraints)

    @checked
    def measure_batches(
        self,
        devices: Devices,
        *,
        n: Positive,
        in_flight: Positive = 1,
        timeout: NonNegativeFloat | None = None,
        measurement_timeout: PositiveFloat | None = None,
        progress: bool | None = None,
        callbacks: Iterable[TrialCallback] | None = None,
    ) -> dict[str, int]:
        """Measure promising subnets on several devices at the same time.

        Each device gets another subnet of `ask_batch` as soon as it has returned the last one,
        which is told immediately: a study that learns (``learn=True``) chooses the next subnets by
        all measurements so far. The trials are those of `tell_batch`; the user attribute ``device``
        has the name of what measured them, and the points of a front and reports name it. Several
        callers may share a study in a database, each with its own devices.

        All values go into one front, so the devices must be of one kind, such as phones of one
        model; the costs of several kinds need a study each (`optuna_ofa.fleet`). At its end, the
        call compares the costs of all devices of the study, relative to the predictions for the
        same subnets, and warns if a device of it is of another kind by them.

        A device that raises an error is not blamed at once: its subnet is given to another one.
        After three errors in a row it is given none for 60 seconds, with a warning, and then one: a
        phone may have restarted. Each time that fails too, the pause is twice as long; where all
        devices pause, the call ends. A subnet that no device can measure,
        while one of them measures others, becomes a failed trial with the errors in its user
        attribute ``error``, and is not proposed again; so does one for which a device returns None.
        Errors include a missed ``measurement_timeout``: without one, a device that hangs keeps its
        subnet, and the call waits for it until a Ctrl-C. Values that a metric cannot have are an
        error of a device that has measured before; from another one they end the call.

        Whatever ends the call, no trial is left running. Subnets that were not measured by then,
        also after a Ctrl-C or SIGTERM, are released (``error`` is then "released"): their trials
        fail, and `ask_batch` may return them again. A measurement that is running then is not
        interrupted, and its result is dropped.

        Args:
            devices: What measures, by name: functions that take a subnet, or objects with such a
                method ``measure``, unlike the meters of `verify`, which measure one metric of many
                subnets. Each is called in threads of its own. They return the
                objectives' values in their order, or numbers by metric: of all objectives except
                exact ones (``n_macs`` and the other costs), and of constrained metrics, otherwise
                predicted. A number may be a pair with its standard deviation, which becomes
                ``measured_std``. None or NaN means that the subnet cannot be measured.
            n: How many subnets to measure; failed ones are not counted.
            in_flight: How many subnets each device is given at a time, each in another thread:
                more than one if it stands for several, such as a device farm.
            timeout: Seconds after which no measurement begins; the running ones are finished.
            measurement_timeout: Seconds after which a measurement has failed: its subnet goes to
                another device, and this one gets no other in its place until it returns. What it
                returns then is dropped. None is no limit.
            progress: Whether to show a progress bar; None shows it on a terminal only.
            callbacks: Functions called with the study and each finished trial, as in `optimize`;
                after `stop` no measurement begins.

        Returns:
            How many subnets each device has measured; in sum ``n``, or fewer if the time is over,
            the study was stopped, or no subnet is left.

        Raises:
            InvalidArgumentError: If an argument breaks a rule, or the first that a device returns
                is something else than numbers, or values that `tell_batch` refuses.
            MeasurementError: If no device is left, or 20 subnets in a row have failed; everything
                measured before is kept.
            InfeasibleConstraintError: As `search`.
            PredictionError: As `ask_batch`.
            StorageError: If the database cannot be reached or written.

        Warns:
            FailedMeasurementWarning: A device is given no more subnets for a time, or subnets could
                not be measured.
            ImplausibleValueWarning: Accuracies are probably fractions, or the devices are of
                several kinds: their costs differ by 20 % and five standard errors or more.
        """
        from optuna_ofa.studies._measure_batches import measure_batches

        return measure_batches(
            self,
            devices,
            n=n,
            in_flight=in_flight,
            timeout=timeout,
            measurement_timeout=measurement_timeout,
            progress=progress,
            callbacks=list(callbacks or ()),
        )

    @checked
    def verify(
        self,
        measure: Mapping[str, Meter | Callable[[Subnet], Any]],
        *,
        points: Positive | Iterable[FrontPoint | Subnet] | None = None,
        progress: bool | None = None,
        executor: AnyExecutor | None = None,
        timeout: NonNegativeFloat | None = None,
        callbacks: Iterable[TrialCallback] | None = None,
    ) -> Verification:
        """Measure subnets of the predicted front and compare them with the predictions.

        A subnet whose objectives are all measured, or exact (``n_macs`` and the other costs),
        becomes a trial of kind ``"measured"``, with the user attributes ``predicted``,
        ``predicted_std``, ``measured_std`` and ``measured_images``; others are only in the result,
        and their measurements in the database if there is one. A subnet with a measured trial is
        not measured again. Trials are written after every few subnets (`Meter.n_together`).

        A subnet that cannot be measured gets no trial; the next call tries it again.

        Args:
            measure: How objectives and constrained metrics are measured, by metric: an
                `AccuracyMeter`, a `LatencyMeter`, a custom `Meter`, or a function that takes a
                subnet and returns a number, or a number and its standard deviation, or None.
                Constrained metrics that are neither measured nor exact count as predicted.
            points: Points of a front, or subnets; a number picks that many points spread along the
                predicted front, including its ends; None takes the whole predicted front.
            progress: Whether to show a progress bar; None shows it on a terminal only.
            executor: Whose workers evaluate accuracies, measure the memory of microcontrollers
                (`optuna_ofa.verification.MicroMeter`) and call functions, such as
                ``client.get_executor()`` of Dask; see `optuna_ofa.evaluate`. They get copies of
                the functions, several at a time, and need no database. Latencies, also by a
                function, and custom meters are measured in this process: two measurements disturb
                each other on one device. None uses no workers.
            timeout: Seconds after which no measurement begins; those that are measured together
                (`Meter.n_together`, at most 64; all in a race) are finished. The result has what is
                measured, and the next call continues.
            callbacks: Functions called with the study and each trial that this call has written,
                as in `optimize`; after `optuna.Study.stop` no measurement begins. If one raises,
                the call ends with that error, and what was measured is kept.

        Raises:
            EmptyFrontError: If the predicted front is needed and empty.
            InvalidArgumentError: If an argument breaks a rule, or a measurement is not a number,
                not possible for its metric, or fits the predictions only if two values are
                exchanged; earlier measurements are kept.
            MeasurementError: If a meter no longer responds; earlier measurements are kept, and the
                next call continues.
            StorageError: If the database cannot be reached or written.

        Warns:
            FailedMeasurementWarning: Some subnets could not be measured; the rest were.
            ImplausibleValueWarning: Accuracies are probably fractions.
        """
        from optuna_ofa.verification import verify  # needs torch

        return verify(
            self,
            self.store,
            measure,
            points=points,
            progress=progress,
            executor=executor,
            watch=MeasurementWatch.of(self, callbacks, timeout),
        )

    @checked
    def refine(
        self,
        measure: Mapping[str, Meter | Callable[[Subnet], Any]],
        *,
        budget: Positive,
        rounds: Positive = 5,
        tolerance: NonNegativeFloat = 0.001,
        progress: bool | None = None,
        executor: AnyExecutor | None = None,
        timeout: NonNegativeFloat | None = None,
        callbacks: Iterable[TrialCallback] | None = None,
    ) -> Refinement:
        """Measure the predicted front, correct the predictors, search again, and so on.

        The first round measures subnets spread along the predicted front. Each further round
        corrects the predictors of the measured metrics with all measurements so far, searches on
        them in memory, and measures subnets along the corrected front, away from those that are
        measured. It ends when the budget is spent or the measured front stops growing.

        The measured subnets become trials as in `verify`, with the corrected predictions that they
        were chosen by in the user attributes ``predicted`` and ``predicted_std``, and the number of
        measurements at that time in ``chosen_after``; nothing else is written.
        The study's own predictors do not change, so `search` and ``front(kind="predicted")`` are as
        before; the result has the corrected predictors and the front that they predict.

        After an interruption, the next call continues; with the same seed and arguments it measures
        the same subnets as an uninterrupted one. Where nothing is left to do, it measures nothing.

        Several processes may refine a study in a relational database at the same time, with the
        same arguments, also while others search, verify or measure on devices. With a seed they
        choose the same subnets and measure each of them once; without one each measures subnets of
        its own, which correct the predictors of all. They end together, at the budget or up to
        those subnets beyond it that they are measuring then. In another storage, one process at a
        time may refine a study.

        Args:
            measure: As in `verify`; every objective that is not exact must be measured.
            budget: Number of measured trials that the study has at the end, by any call and method.
            rounds: Number of rounds that the budget is divided into.
            tolerance: The share of the measured hypervolume that a round must add: two rounds in a
                row that add no more end the refinement; 0 spends the whole budget.
            progress: Whether to show a progress bar; None shows it on a terminal only.
            executor: As in `verify`; the subnets of a round are measured at the same time.
            timeout: As in `verify`; no round begins either.
            callbacks: As in `verify`.

        Returns:
            ``front``, the measured front; ``predicted``, the front of the corrected predictions;
            ``predictors``, the corrected predictor of each measured metric; ``rounds``, each with
            ``n_before`` and ``n_measured`` measurements, the measured ``hypervolume`` beyond
            ``reference`` and the ``errors`` of the predictions that its subnets were chosen by;
            ``ending``, why no more was measured. It prints as a table.

        Raises:
            InvalidArgumentError: As `verify`, or if an objective is not measured.
            MeasurementError: If a meter no longer responds; earlier measurements are kept, and the
                next call continues.
            StorageError: If the database cannot be reached or written.

        Warns:
            FailedMeasurementWarning: Some subnets could not be measured; others took their place.
            ImplausibleValueWarning: Accuracies are probably fractions.
        """
        from optuna_ofa.studies._refine import refine

        return refine(
            self,
            measure,
            budget=budget,
            rounds=rounds,
            tolerance=tolerance,
            progress=progress,
            executor=executor,
            watch=MeasurementWatch.of(self, callbacks, timeout),
        )

    # ------------------------------------------------------------------ results

    @checked
    def front(self, *, kind: Kind | None = None) -> Front:
        """Return the Pareto front of the feasible trials.

        A trial is feasible if its values are finite and it violates no constraint, neither of the
        problem nor one that it has set itself (`optuna.Trial.set_constraint`).

        Args:
            kind: ``"predicted"`` or ``"measured"`` (by `verify`, `tell_batch` or a custom
                objective); a front never has both. None means measured if a measured trial is
                feasible, otherwise predicted.

        Returns:
            Points sorted by latency or, if that is not an objective, by the first of ``n_macs``,
            ``n_params``, ``moved_mb``, ``peak_memory_mb``, ``sram_kb`` and ``flash_kb`` that is.
            Each has its kind, which is also shown when the front is printed.

        Raises:
            EmptyFrontError: If there is no feasible trial; the message has the one with the
                smallest violation.
            InvalidArgumentError: If ``kind`` is unknown.
        """
        return find_front(self.problem, self.results(kind=kind), kind, self.notes)

    @checked
    def bound(self, *, tolerance: PositiveFloat | None = None) -> FrontBound:
        """Prove what no subnet can exceed: an upper bound of the front, by the predictors.

        It takes a second or two, needs no trial, and covers all subnets of the space. Dynamic
        programming over the blocks and stages finds every subnet that may be on the front, and
        the concave terms of an accuracy are bounded by tangents. So both predictions must be sums:
        costs over layers (a latency table, a `NetworkLatencyPredictor`, ``n_macs``, ``n_params``,
        ``moved_mb``, ``flash_kb``), and an accuracy over choices and concave functions of costs,
        which a linear model is (``AccuracyPredictor.fit(model="ridge")``,
        ``study(accuracy="linear")``). This follows from the formula of each predictor. Custom
        predictors may have `Predictor.terms`.

        Measured values can be better than the bound: it is proven of predictions alone.

        Args:
            tolerance: How close the bound shall be to the best subnets that are found with it, in
                the unit of the bounded objective; a smaller one takes longer. It may be missed at
                some costs, so the result says how close it is. None takes 0.01 points of accuracy,
                and a thousandth of other objectives.

        Returns:
            A value whose ``at(15)`` is the bound up to 15 ms, ``gap()`` how much the front of the
            study may still grow, and ``front`` the subnets that were found, which are predictions
            without trials: `enqueue_trial` makes them some. It prints as a sentence.

        Raises:
            InvalidArgumentError: If there are not exactly two objectives, or one of the predictors
                is no such sum; says which and why.
            PredictionError: If a prediction is not a finite number.
        """
        from optuna_ofa.fronts.bounds import find_bound

        return find_bound(self, tolerance)

    @checked
    def plot_front(
        self,
        *,
        limits: Limits | None = None,
        picks: Mapping[str, FrontPoint] | None = None,
        kind: Kind | None = None,
        bound: FrontBound | None = None,
        boards: Sequence[str] | None = None,
    ) -> go.Figure:
        """Plot the Pareto front over the other feasible trials, with its knee and the constraints.

        The first cost is on the horizontal axis, accuracy on the vertical one, and colour shows a
        third objective.

        Args:
            limits: Upper limits of the cost; the best subnet within each is marked.
            picks: More subnets to mark, by name.
            kind: As in `front`, but None shows the fronts of both kinds, separately, if the study
                has both.
            bound: What `bound` returned; it is drawn as a thin line.
            boards: Microcontrollers by name, whose memories are lines if the horizontal axis is
                ``sram_kb`` or ``flash_kb``. None shows that of the study and all known ones in the
                range of the front.

        Returns:
            A plotly figure; ``write_html`` and ``write_image`` save it.

        Raises:
            EmptyFrontError: As `front`.
        """
        from optuna_ofa.visualization import plot_front

        return plot_front(self, limits=limits, picks=picks, kind=kind, bound=bound, boards=boards)

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
        """Show figures, a table of the best subnets and their files in Optuna Dashboard.

        Figures go to the page of the study, a table and the sources of the values into its note,
        and a description of each picked subnet into the note of its trial. Another call replaces
        all of it; other text in the notes is kept. A database gets everything in one transaction.
        To publish during a search, give `search` a `optuna_ofa.dashboard.PublishEvery`.

        Args:
            limits: Upper limits of the latency, or of the last cost; the table has the best
                subnet within each. None picks five along the front.
            picks: More subnets by name, such as ``{"knee": study.front().knee()}``.
            kind: Whether values are predicted or measured ones; None means measured if there are
                any. The figure of the front shows both.
            artifact_store: The store for files of the picked subnets (`optuna.artifacts`): the
                ``net.config``, and with a ``supernet`` the model. The dashboard must be started
                with the same store. `optuna.artifacts.get_all_artifact_meta` lists them for the
                study.
            supernet: The source of the models, as in `optuna_ofa.deployment.export`.
            format: Their format, as there.
            calibration: Images for their batch normalisation, as there.

        Raises:
            MissingDependencyError: If the package that writes ``format`` is not installed.
            EmptyFrontError: As `front`.
            InvalidArgumentError: If a limit is not a positive number or no subnet is within it, or
                there is a ``supernet`` and no ``artifact_store``.
            StorageError: If the database cannot be written; nothing is written then.
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
            title: Title of the page; None names the study.

        Raises:
            EmptyFrontError: As `front`.
            InvalidArgumentError: If a limit is not a positive number or no subnet is within it, or
                nothing can be written to the path.
        """
        from optuna_ofa.reports import report

        return report(self, path, limits=limits, picks=picks, kind=kind, title=title)

    @checked
    def results(self, *, kind: Kind | None = None) -> Evaluated:
        """Return all finished trials of a kind as arrays, including infeasible ones.

        Args:
            kind: As in `front`; a study never gives both at once.

        Raises:
            InvalidArgumentError: If ``kind`` is unknown.
        """
        return of_kind(self.engine.results(), kind)

    def generations(self) -> list[Generation]:
        """Return summaries of generations that were not kept in full, of all workers.

        They are the system attributes ``optuna_ofa:generation:00000000`` and so on of the study.
        """
        return self.store.generations()

    @checked
    def seconds(self, numbers: Sequence[Count]) -> NDArray[np.float64]:
        """Return when trials finished, in seconds since the start of the first of them.

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
        """Return the present findings: the trials are read once, and do not change."""
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

        Predicted trials are written with the present time, measured ones unchanged. They are
        renumbered from 0, in the old order.

        Args:
            storage: The storage of the copy; None keeps it in memory.
            numbers: The numbers of the trials.

        Returns:
            The copy, for viewing only; continue the search in this study.

        Raises:
            optuna.exceptions.DuplicatedStudyError: If the storage has a study of that name.
            StorageError: If the database cannot be written.
        """
        shared = open_storage(storage)
        make_study(shared, self.study_name, self.problem, self.problem.describe())
        target = open_store(shared, self.study_name, self.problem)
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
