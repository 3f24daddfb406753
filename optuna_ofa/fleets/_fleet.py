"""Several devices under one name."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.storages import BaseStorage

from optuna_ofa._arguments import (
    Count,
    NonNegativeFloat,
    OutputFile,
    Positive,
    PositiveFloat,
    Seed,
    StorageUrl,
    Text,
    checked,
)
from optuna_ofa._suggestions import did_you_mean
from optuna_ofa.data import AccuracySource, HardwareSource
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.executors import AnyExecutor
from optuna_ofa.fleets._search import search
from optuna_ofa.fronts import Front, Limits, TransferMatrix, can_transfer, transfer_matrix
from optuna_ofa.predictors import MissingPredictor, SharedPredictor
from optuna_ofa.problem import Keep, Kind, Parameters
from optuna_ofa.space import SearchSpace, Subnet
from optuna_ofa.storage import open_existing, open_storage, study_names
from optuna_ofa.studies import Budget, CallbacksFor, SubnetStudy, TrialCallback, load_study

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from optuna_ofa.verification import Meter, Verification


class Fleet(Mapping[str, SubnetStudy]):
    """A mapping from device names to studies; created by `optuna_ofa.fleet`.

    Args:
        study_name: Name of the fleet; the study of a device is named ``study_name/device``.
        studies: The studies, all with the same space and objectives.
    """

    @checked
    def __init__(self, *, study_name: Text, studies: Mapping[str, SubnetStudy]) -> None:
        self.study_name = study_name
        self._studies = dict(studies)

    @classmethod
    @checked
    def load(
        cls,
        study_name: Text,
        storage: StorageUrl | BaseStorage,
        *,
        hardware: Mapping[str, HardwareSource] | None = None,
        accuracy: AccuracySource | None = None,
        seed: Seed | None = None,
        keep: Keep = "all",
        parameters: Parameters = "all",
    ) -> Fleet:
        """Open a fleet that `optuna_ofa.fleet` created; its name is enough.

        Args:
            study_name: Its name.
            storage: An existing Optuna storage, or its URL.
            hardware: The devices that were not given by name or file, each as in
                `optuna_ofa.load_study`.
            accuracy: As in `optuna_ofa.load_study`.
            seed: Seed of the search, as in `optuna_ofa.fleet`.
            keep: As in `optuna_ofa.study`.
            parameters: As in `optuna_ofa.study`.

        Raises:
            InvalidArgumentError: If there is no such storage or fleet, or no such device.
            StorageError, StudyMismatchError: As `optuna_ofa.load_study`.
        """
        given = hardware or {}
        store = open_existing(storage) if isinstance(storage, str) else open_storage(storage)
        devices = _devices_of(store, study_name)
        for device in given:
            if device not in devices:
                raise InvalidArgumentError(
                    f"`hardware` must name only the devices {', '.join(devices)}, but got "
                    f"{device!r}."
                )
        first = load_study(f"{study_name}/{devices[0]}", store, accuracy=accuracy)
        top1 = first.problem.predictors.get("top1")
        if top1 is not None and not isinstance(top1, MissingPredictor):
            accuracy = SharedPredictor(top1)  # predicted once for all devices
        studies = {
            device: load_study(
                f"{study_name}/{device}",
                store,
                hardware=given.get(device),
                accuracy=accuracy,
                seed=None if seed is None else seed + i,
                keep=keep,
                parameters=parameters,
            )
            for i, device in enumerate(devices)
        }
        return cls(study_name=study_name, studies=studies)

    def __getitem__(self, device: str) -> SubnetStudy:
        return self._studies[device]

    def __iter__(self) -> Iterator[str]:
        return iter(self._studies)

    def __len__(self) -> int:
        return len(self._studies)

    def __repr__(self) -> str:
        return f"Fleet({self.study_name!r}: {', '.join(self)})"

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
        callbacks: Iterable[TrialCallback] | None = None,
        callbacks_for: CallbacksFor = "best",
    ) -> None:
        """Search for all devices together: they take turns, one generation each.

        Subnets that the other studies have tried since the last turn are evaluated on each device,
        and the latest three that extend its front become trials there. Everything else is as in
        `SubnetStudy.search`.

        Args:
            n_trials: Evaluations to add to each study.
            until: Total number of evaluations of each study, as in `SubnetStudy.search`.
            timeout: Seconds for all devices together, after which no new generation starts.
            progress: Whether to show a progress bar for each device; None shows them on a
                terminal only.
            callbacks: As in `SubnetStudy.search`; they are called with the study of a device,
                and `optuna.Study.stop` ends the search for that device alone.
            callbacks_for: As in `SubnetStudy.search`.

        Raises:
            InvalidArgumentError: As `SubnetStudy.search`.
            InfeasibleConstraintError, PredictionError, StorageError: As `SubnetStudy.search`;
                what was written before is kept.

        Warns:
            ExtrapolationWarning: As `SubnetStudy.search`, for each device.
        """
        budgets = {
            device: Budget(n_trials=n_trials, until=until, timeout=timeout) for device in self
        }
        search(
            self, budgets, progress=progress, callbacks=callbacks or (), callbacks_for=callbacks_for
        )

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
    def plot_fronts(
        self, *, kind: Kind | None = None, boards: Sequence[str] | None = None
    ) -> go.Figure:
        """Draw the fronts of all devices in one figure; see `visualization.plot_fronts`."""
        from optuna_ofa.visualization import plot_fronts

        return plot_fronts(self, kind=kind, boards=boards)

    @checked
    def transfer_matrix(
        self, latency_ms: PositiveFloat | Mapping[str, PositiveFloat] | None = None
    ) -> TransferMatrix:
        """Evaluate the best subnet of each device on every other device, by predictions.

        Args:
            latency_ms: Upper limit in milliseconds, one for all or by device; None, or a device
                without a limit, uses the knee of the device's front.

        Raises:
            EmptyFrontError: If a device has no point within its limit; the message has the nearest.
            InvalidArgumentError: If a limit is not positive or its device is unknown, or top-1
                and latency are not among the objectives.
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
        """Write a page about all devices for readers without Python; the transfer comes first.

        The transfer is left out if top-1 and latency are not among the objectives.

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
                "Each row is the best subnet of one device within its limit, each column the "
                "device that runs it. A cell says by how many points of top-1 the device's own "
                "best subnet is better at the same latency. All values are predicted.",
                plot_transfer(transfer_matrix(snapshots, latency_ms)),
            )
            sections.append(transfer)
        title = title or f"Subnets of the fleet {self.study_name}"
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
        executor: AnyExecutor | None = None,
        timeout: NonNegativeFloat | None = None,
        callbacks: Iterable[TrialCallback] | None = None,
    ) -> dict[str, Verification]:
        """Verify the fronts of the devices, see `SubnetStudy.verify`.

        Args:
            measure: How each metric is measured: one meter for all devices, which measures each
                subnet once, or a mapping with a meter for some of the devices::

                    {"top1": AccuracyMeter(...), "latency_ms": {"laptop": LatencyMeter()}}
            points: As in `SubnetStudy.verify`, for each device.
            progress: As in `SubnetStudy.verify`.
            executor: As in `SubnetStudy.verify`.
            timeout: As in `SubnetStudy.verify`, for all devices together, which are verified one
                after the other.
            callbacks: As in `SubnetStudy.verify`; they are called with the study of a device, and
                `optuna.Study.stop` ends the measurements of that device alone.

        Returns:
            The verifications of those devices that have a meter.

        Raises:
            InvalidArgumentError: If ``measure`` names an unknown device.
            Exception: Whatever `SubnetStudy.verify` raises.
        """
        from optuna_ofa.verification import FunctionMeter, Measure, Meter  # needs torch

        of_device: dict[str, dict[str, Measure]] = {device: {} for device in self}
        for metric, how in measure.items():
            if isinstance(how, Mapping):
                unknown = [device for device in how if device not in of_device]
                if unknown:
                    raise InvalidArgumentError(
                        f"`measure[{metric!r}]` must name only the devices {', '.join(self)}, "
                        f"but got {unknown[0]!r}."
                    )
                for device, own in how.items():
                    of_device[device][metric] = own
            else:
                meter = how if isinstance(how, Meter) else FunctionMeter(metric, how)
                for ways in of_device.values():
                    ways[metric] = meter
        end = None if timeout is None else time.monotonic() + timeout
        called = list(callbacks or ())
        return {
            device: self[device].verify(
                ways,
                points=points,
                progress=progress,
                executor=executor,
                timeout=None if end is None else max(0.0, end - time.monotonic()),
                callbacks=called,
            )
            for device, ways in of_device.items()
            if ways
        }


def _devices_of(store: BaseStorage, study_name: str) -> list[str]:
    """Return the names of the devices of a fleet.

    Raises:
        InvalidArgumentError: If there is no fleet with that name.
    """
    names = study_names(store)
    devices = [n.removeprefix(f"{study_name}/") for n in names if n.startswith(f"{study_name}/")]
    if not devices:
        fleets = list(dict.fromkeys(n.rpartition("/")[0] for n in names if "/" in n))
        raise InvalidArgumentError(
            f"`study_name` must be the name of a fleet ({', '.join(fleets) or 'there is none'}), "
            f"but got {study_name!r}{did_you_mean(study_name, fleets)}"
        )
    return devices
