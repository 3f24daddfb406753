"""Evaluating groups of subnets, in this process or in a process pool."""

from __future__ import annotations

import functools
import multiprocessing
import pickle
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from optuna_ofa.evaluation._calibration import Calibration
from optuna_ofa.evaluation._images import Loader
from optuna_ofa.evaluation._order import Part
from optuna_ofa.evaluation._score import Scores, score_subnets
from optuna_ofa.exceptions import InvalidArgumentError, MeasurementError
from optuna_ofa.space import Family, Subnet
from optuna_ofa.supernet import Supernet


class Group(NamedTuple):
    """Subnets of one resolution that share a pass over the images.

    Args:
        subnets: The subnets, at least one.
        part: The images; None for all.
    """

    subnets: Sequence[Subnet]
    part: Part | None = None

    @property
    def resolution(self) -> int:
        """Their resolution."""
        return self.subnets[0].resolution


def score_groups(
    supernet: Supernet,
    groups: Sequence[Group],
    loader: Loader,
    calibration: Calibration,
    device: torch.device,
    processes: int,
    precision: str | None = None,
) -> Iterator[tuple[Group, Scores]]:
    """Yield groups of subnets of one resolution with their scores, as they finish.

    Raises:
        InvalidArgumentError: If the loader cannot be sent to other processes.
        MeasurementError: If the device or a process fails.
    """
    if processes == 1 or len(groups) < 2:
        for group in groups:
            images = calibration(group.resolution)
            yield (
                group,
                score_subnets(
                    supernet, group.subnets, loader, images, device, group.part, precision
                ),
            )
        return
    # Files rather than shared memory, which is often too small in containers.
    with tempfile.TemporaryDirectory() as name:
        work = Path(name) / "work.pickle"
        _write_work(work, supernet, loader, device, precision)
        yield from _score_in_pool(groups, calibration, work, processes)


def _score_in_pool(
    groups: Sequence[Group], calibration: Calibration, work: Path, processes: int
) -> Iterator[tuple[Group, Scores]]:
    threads = max(1, torch.get_num_threads() // processes)
    context = multiprocessing.get_context("spawn")  # a forked process cannot use CUDA
    written = _Written(work.parent)
    pool = ProcessPoolExecutor(
        processes, context, initializer=torch.set_num_threads, initargs=(threads,)
    )
    try:
        waiting = {}
        for group in groups:
            images = written.path_of(calibration(group.resolution))
            waiting[pool.submit(_score_group, work, group, images)] = group
        for future in as_completed(waiting):
            yield waiting[future], _result(future)
    finally:
        pool.shutdown(cancel_futures=True)


def _result(future: Future[Scores]) -> Scores:
    try:
        return future.result()
    except BrokenExecutor as error:
        raise MeasurementError(
            f"Evaluation stopped because one of the `processes` ended: {error} What was evaluated "
            f"before is kept in the `storage`, if there is one; call again to continue."
        ) from error


@dataclass(frozen=True)
class _Work:
    """The arguments that are the same for all groups of subnets."""

    family: Family
    own_projections: bool
    state: dict[str, Tensor]
    loader: Loader
    device: str
    precision: str | None

    def supernet(self) -> Supernet:
        with torch.device("meta"):  # draws no weights
            supernet = Supernet(self.family, own_projections=self.own_projections)
        supernet.load_state_dict(self.state, assign=True)
        return supernet


def _write_work(
    path: Path, supernet: Supernet, loader: Loader, device: torch.device, precision: str | None
) -> None:
    state = {name: tensor.detach().cpu() for name, tensor in supernet.state_dict().items()}
    own = supernet.own_projections
    work = _Work(supernet.family, own, state, loader, str(device), precision)
    try:
        path.write_bytes(pickle.dumps(work))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise InvalidArgumentError(
            f"`loader` must be picklable where `processes` is more than 1 (functions and classes "
            f"at the top of a module are), but got {type(loader).__name__}: {error}."
        ) from error


class _Written:
    """The files of calibration images; consecutive groups with the same images share one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last: Tensor | None = None
        self._n = 0

    def path_of(self, images: Tensor | None) -> Path | None:
        if images is not None and images is not self._last:
            self._last = images
            self._n += 1
            torch.save(
                images.clone(), self._folder / f"{self._n}.pt"
            )  # saving a view would save its whole
        return None if images is None else self._folder / f"{self._n}.pt"


@functools.cache
def _read_work(path: Path) -> tuple[Supernet, Loader, torch.device, str | None]:
    try:
        work: _Work = pickle.loads(path.read_bytes())  # noqa: S301, written by the parent process
        supernet = work.supernet()
    except Exception as error:
        raise MeasurementError(
            f"Evaluation stopped because one of the `processes` cannot read the `loader`: "
            f"{type(error).__name__}: {error}. All its parts must be importable there."
        ) from error
    return supernet, work.loader, torch.device(work.device), work.precision


def _score_group(work: Path, group: Group, images: Path | None) -> Scores:
    """Evaluate one group in a process of the pool."""
    supernet, loader, device, precision = _read_work(work)
    calibration = None if images is None else torch.load(images, mmap=True, weights_only=True)
    return score_subnets(
        supernet, group.subnets, loader, calibration, device, group.part, precision
    )
