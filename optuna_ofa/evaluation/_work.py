"""What one call evaluates, and writes while others may evaluate the rest."""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from optuna_ofa._progress import Bar
from optuna_ofa.evaluation._accuracies import ACCURACY_METRICS, standard_error
from optuna_ofa.evaluation._data import EvaluationData
from optuna_ofa.evaluation._groups import Group, divided, first
from optuna_ofa.evaluation._order import Part
from optuna_ofa.evaluation._score import Scores
from optuna_ofa.evaluation._settings import EvaluationSettings
from optuna_ofa.evaluation._workers import Scorer
from optuna_ofa.measurements import (
    NO_ANSWERS,
    Answers,
    Claims,
    Failures,
    MeasurementTable,
    Reading,
    Sharing,
)
from optuna_ofa.space import Subnet

# returns those of some claimed subnets that are still to be evaluated
Todo = Callable[[list[Subnet]], list[Subnet]]


class _Place(NamedTuple):
    """Where a subnet was evaluated: the type of the device, the name of the machine, and torch."""

    device: str
    host: str
    torch: str


_UNKNOWN = _Place("unknown", platform.node() or "unknown", str(torch.__version__))


class Work:
    """Evaluates subnets and writes what is complete.

    Args:
        scorer: Evaluates them.
        data: The images.
        settings: The settings.
        table: Where accuracies are written; None for nowhere.
        n: Number of subnets.
        claims: The subnets that this call evaluates, while others evaluate the rest; None shares
            with nobody.
        bar: Shows the progress.
    """

    def __init__(
        self,
        scorer: Scorer,
        data: EvaluationData,
        settings: EvaluationSettings,
        table: MeasurementTable | None,
        n: int,
        claims: Claims | None,
        bar: Bar,
    ) -> None:
        self._scorer, self._data, self._settings, self._table = scorer, data, settings, table
        self._claims, self._bar = claims, bar
        self._last_row = 0 if table is None or claims is None else table.last_row()
        self.sharing = Sharing(claims, self._settle, bar.say)
        self.failures = Failures(n)
        self._settled: set[Subnet] = set()
        self._lost: set[Subnet] = set()
        self._places: dict[Subnet, _Place] = {}

    def rounds(
        self, subnets: Sequence[Subnet], known: dict[Subnet, Mapping[str, Reading]]
    ) -> Iterator[list[Subnet]]:
        """Yield the subnets that are not known, until all are; see `Sharing.rounds`."""

        def look(waiting: list[Subnet]) -> None:
            found = self.elsewhere(waiting)
            known.update(found)
            self._bar.update(len(found))

        return self.sharing.rounds(lambda: [s for s in subnets if s not in known], look)

    def elsewhere(self, subnets: Sequence[Subnet]) -> dict[Subnet, Mapping[str, Reading]]:
        """Return the accuracies, and the failures since this call began, that others wrote."""
        if self._table is None or not subnets:
            return {}
        failures = self._table.failures(subnets, self._last_row)
        return {**_by_metric(failures), **stored(self._table, subnets)}

    def failed_elsewhere(self, subnets: Sequence[Subnet]) -> dict[Subnet, str]:
        """Return why subnets failed that others evaluated since this call began."""
        if self._table is None or self._claims is None or not subnets:
            return {}
        failures = self._table.failures(subnets, self._last_row)
        return {s: of[-1].error or "" for s, of in failures.items()}

    def _new(self, claimed: list[Subnet]) -> list[Subnet]:
        """Return those of the claimed subnets that nobody has evaluated meanwhile."""
        found = self.elsewhere(claimed)
        return [subnet for subnet in claimed if subnet not in found]

    def parts(
        self, subnets: Sequence[Subnet], places: NDArray[np.int64], todo: Todo | None = None
    ) -> Iterator[tuple[Sequence[Subnet], Scores]]:
        """Yield groups of subnets with their answers on the images at some places."""
        part = self._data.order.part(places)
        for group, scores in self._scored(subnets, part, todo):
            yield group.subnets, scores

    def whole(self, subnets: Sequence[Subnet]) -> Iterator[dict[Subnet, Mapping[str, Reading]]]:
        """Yield readings of groups of subnets on all images, which are written.

        Those of subnets that another caller has taken over are left out: its readings count.
        """
        for group, scores in self._scored(subnets, None, self._new):
            self._data.note(group.resolution, scores.checksum)
            found: dict[Subnet, Mapping[str, Reading]] = {
                subnet: self.failed(subnet, scores.errors[i])
                if i in scores.errors
                else self.readings(subnet, NO_ANSWERS.followed_by(scores.right[i]))
                for i, subnet in enumerate(group.subnets)
                if subnet not in self._lost
            }
            self._lost.clear()
            yield found

    def _scored(
        self, subnets: Sequence[Subnet], part: Part | None, todo: Todo | None
    ) -> Iterator[tuple[Group, Scores]]:
        take = first if todo is None else functools.partial(self.sharing.take, todo=todo)
        groups = divided(subnets, self._scorer.n_workers, take)
        for group, scores in self._scorer.score(Group(of, part) for of in groups):
            new = [s for s in group.subnets if s not in self._places]
            self._places.update(
                dict.fromkeys(group.subnets, _Place(scores.device, scores.host, scores.torch))
            )
            reasons = {s: scores.errors.get(i) for i, s in enumerate(group.subnets)}
            if part is None:  # kept even if the next line raises
                readings = {
                    s: self.readings(s, NO_ANSWERS.followed_by(scores.right[i]))
                    for i, s in enumerate(group.subnets)
                    if reasons[s] is None
                }
                self._lost |= readings.keys() - self.write(readings)
            self.failures.add((s, why) for s, why in reasons.items() if why is not None or s in new)
            yield group, scores

    def readings(self, subnet: Subnet, answers: Answers) -> dict[str, Reading]:
        """Return readings of a subnet from its answers on all images."""
        n = len(answers)
        found = {}
        n_right = (int(answers.right.sum()), answers.n_top5)
        for metric, right in zip(ACCURACY_METRICS, n_right, strict=True):
            percent = 100 * right / n
            std = float(standard_error(percent, n))
            found[metric] = Reading(metric, percent, std, n, self._details(subnet))
        return found

    def failed(self, subnet: Subnet, reason: str) -> dict[str, Reading]:
        """Return readings of a subnet that failed."""
        return {
            m: Reading(m, None, None, 0, self._details(subnet), reason) for m in ACCURACY_METRICS
        }

    def stopped(self, subnet: Subnet, n: int) -> dict[str, Reading]:
        """Return readings of a subnet that stopped early: none, on so many images."""
        return {m: Reading(m, None, None, n, self._details(subnet)) for m in ACCURACY_METRICS}

    def _details(self, subnet: Subnet) -> dict[str, str]:
        """The device and the worker that had a subnet last, and the user's label for the images."""
        place = self._places.get(subnet, _UNKNOWN)
        worker = self._settings.worker or place.host
        label = {} if self._settings.data is None else {"data": self._settings.data}
        return {"device": place.device, "torch": place.torch, "worker": worker, **label}

    def write(self, found: Mapping[Subnet, Mapping[str, Reading]]) -> Set[Subnet]:
        """Write readings to the database, if there is one, and release the claims.

        Returns:
            The subnets that nobody else has taken over.
        """
        readings = [(s, reading) for s, of in found.items() for reading in of.values()]
        if self._table is not None and self._claims is not None:
            return self._table.add_claimed(readings, self._claims)
        if self._table is not None:
            self._table.add(readings)
        return found.keys()

    def write_once(self, found: Mapping[Subnet, Mapping[str, Reading]]) -> None:
        """Write accuracies of subnets that this call has not claimed, unless others do."""
        left = dict(found)

        def look(waiting: list[Subnet]) -> None:
            if self._table is not None:
                for subnet in stored(self._table, waiting):
                    del left[subnet]

        for subnets in self.sharing.rounds(lambda: list(left), look):
            ours, _ = self.sharing.take(subnets, len(subnets))
            self.write({subnet: left.pop(subnet) for subnet in ours})

    def end(self) -> None:
        """End the call, and write its failures.

        Raises:
            MeasurementError: As `Failures.finish`.
        """
        self.failures.finish()
        self._settle()

    def _settle(self) -> None:
        """Write the failures, which others may be waiting for, unless the device may be at fault.

        In that case they are tried by others too, who can claim them then.
        """
        reasons = self.failures.reasons
        new = {s: self.failed(s, why) for s, why in reasons.items() if s not in self._settled}
        if self.failures.are_all or not new:
            return
        if self._claims is not None:
            self._claims.take(new)
        self.write(new)
        self._settled.update(new)


def stored(
    table: MeasurementTable, subnets: Sequence[Subnet]
) -> dict[Subnet, Mapping[str, Reading]]:
    """Return the newest readings of both metrics of those subnets that have them."""
    return _by_metric(table.read(subnets))


def _by_metric(readings: Mapping[Subnet, Sequence[Reading]]) -> dict[Subnet, Mapping[str, Reading]]:
    """Return the newest readings of both metrics of those subnets that have them."""
    found = {s: {r.metric: r for r in of} for s, of in readings.items()}
    return {s: of for s, of in found.items() if set(ACCURACY_METRICS) <= set(of)}
