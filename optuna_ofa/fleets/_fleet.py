"""Several devices under one name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna_ofa._arguments import (
    Count,
    NonNegativeFloat,
    OutputFile,
    Positive,
    PositiveFloat,
    Text,
    checked,
)
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fleets._search import search
from optuna_ofa.fronts import Front, Limits, TransferMatrix, can_transfer, transfer_matrix
from optuna_ofa.problem import Kind
from optuna_ofa.space import SearchSpace, Subnet
from optuna_ofa.studies import Budget, SubnetStudy

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from optuna_ofa.verification import Meter, Verification


class Fleet(Mapping[str, SubnetStudy]):
    """One study for each device, by the device's name; made by `optuna_ofa.fleet`.

    Args:
        name: Name of the fleet; the study of a device is called ``name/device``.
        studies: The studies, all of one space and the same objectives.
    """

    @checked
    def __init__(self, *, name: Text, studies: Mapping[str, SubnetStudy]) -> None:
        self.name = name
        self._studies = dict(studies)

    def __getitem__(self, device: str) -> SubnetStudy:
        return self._studies[device]

    def __iter__(self) -> Iterator[str]:
        return iter(self._studies)

    def __len__(self) -> int:
        return len(self._studies)

    def __repr__(self) -> str:
        return f"Fleet({self.name!r}: {', '.join(self)})"

    @property
    def space(self) -> SearchSpace:
        """The space of all studies."""
        return next(iter(self.values())).space

    @checked
    def search(
        self,
        n_trials: Count | None = None,
        *,
        until: Count | None = None,
        timeout: NonNegativeFloat | None = None,
        progress: bool | None = None,
    ) -> None:
        """Search for all devices together, a generation each in turns.

        What the studies have tried since the last turn is priced on each device, and the last
        three that extend its front become trials there. Everything else is as in
        `SubnetStudy.search`.

        Args:
            n_trials: Evaluations to add to each study.
            until: Evaluations that each study is to have in total, as in `SubnetStudy.search`.
            timeout: Seconds for all devices together, after which no generation is begun.
            progress: Whether to show a progress bar for each device; None shows them on a
                terminal only.

        Raises:
            InvalidArgumentError: As `SubnetStudy.search`.
            InfeasibleConstraintError, PredictionError, StorageError: As `SubnetStudy.search`;
                what was written before stays.
        """
        budgets = {
            device: Budget(n_trials=n_trials, until=until, timeout=timeout) for device in self
        }
        search(self, budgets, progress=progress)

    @checked
    def fronts(self, *, kind: Kind | None = None) -> dict[str, Front]:
        """Return the front of each device.

        Args:
            kind: As in `SubnetStudy.front`.

        Raises:
            EmptyFrontError: If a device has no feasible trial.
            InvalidArgumentError: As `SubnetStudy.front`.
        """
        return {device: study.front(kind=kind) for device, study in self.items()}

    @checked
    def plot_fronts(self, *, kind: Kind | None = None) -> go.Figure:
        """Draw the fronts of all devices over one another; see `visualization.plot_fronts`."""
        from optuna_ofa.visualization import plot_fronts

        return plot_fronts(self, kind=kind)

    @checked
    def transfer_matrix(
        self, latency_ms: PositiveFloat | Mapping[str, PositiveFloat] | None = None
    ) -> TransferMatrix:
        """Price the best subnet of each device on every other one, on predictions.

        Args:
            latency_ms: Upper limit in milliseconds, one for all or by device; None, or a device
                that is not there, takes the knee of the device's front.

        Raises:
            EmptyFrontError: If a device has no point within its limit; names the nearest.
            InvalidArgumentError: If a limit is not positive or of no device, or top-1 and
                latency are not among the objectives.
        """
        return transfer_matrix(self, latency_ms)

    @checked
    def report(
        self,
        path: OutputFile,
        *,
        latency_ms: PositiveFloat | Mapping[str, PositiveFloat] | None = None,
        limits: Limits | None = None,
        kind: Kind | None = None,
        title: str | None = None,
    ) -> Path:
        """Write a page of all devices for readers without Python, with what transfers first.

        The transfer is left out where top-1 and latency are not among the objectives.

        Args:
            path: The file; its folder must exist.
            latency_ms: As in `transfer_matrix`.
            limits: As in `optuna_ofa.reports.report`, like ``kind`` and ``title``.
            kind: As there.
            title: As there; None names the fleet.

        Raises:
            EmptyFrontError, InvalidArgumentError: As `transfer_matrix` and `SubnetStudy.report`.
            InvalidArgumentError: If nothing can be written to the path.
        """
        from optuna_ofa.reports import Section, report
        from optuna_ofa.visualization import plot_transfer

        snapshots = {device: study.snapshot() for device, study in self.items()}
        sections = []
        if latency_ms is not None or all(can_transfer(of) for of in snapshots.values()):
            transfer = Section(
                "transfer",
                "What transfers",
                "A row is the best subnet of one device within its limit, a column where it runs: "
                "points of top-1 that the device's own best has more, within the same latency. All "
                "of it is predicted.",
                plot_transfer(transfer_matrix(snapshots, latency_ms)),
            )
            sections.append(transfer)
        title = title or f"Subnets of the fleet {self.name}"
        return report(snapshots, path, limits=limits, kind=kind, title=title, sections=sections)

    @checked
    def verify(
        self,
        measure: Mapping[
            str, Meter | Callable[[Subnet], Any] | Mapping[str, Meter | Callable[[Subnet], Any]]
        ],
        *,
        points: Positive | None = None,
        progress: bool | None = None,
    ) -> dict[str, Verification]:
        """Verify the fronts of the devices, see `SubnetStudy.verify`.

        Args:
            measure: By metric how it is measured: one way for all devices, which measures each
                subnet once, or a mapping with one for each of some devices::

                    {"top1": AccuracyMeter(...), "latency_ms": {"laptop": LatencyMeter()}}
            points: As in `SubnetStudy.verify`, for each device.
            progress: As in `SubnetStudy.verify`.

        Returns:
            The verifications of those devices that have something to measure with.

        Raises:
            InvalidArgumentError: If ``measure`` names an unknown device; and all that
                `SubnetStudy.verify` raises.
        """
        from optuna_ofa.verification import FunctionMeter, Measure, Meter  # needs torch

        of_device: dict[str, dict[str, Measure]] = {device: {} for device in self}
        for metric, how in measure.items():
            if isinstance(how, Mapping):
                unknown = [device for device in how if device not in of_device]
                if unknown:
                    raise InvalidArgumentError(
                        f"`measure[{metric!r}]` must be of the devices {', '.join(self)}, but got "
                        f"{unknown[0]!r}."
                    )
                for device, own in how.items():
                    of_device[device][metric] = own
            else:
                meter = how if isinstance(how, Meter) else FunctionMeter(metric, how)
                for ways in of_device.values():
                    ways[metric] = meter
        return {
            device: self[device].verify(ways, points=points, progress=progress)
            for device, ways in of_device.items()
            if ways
        }
