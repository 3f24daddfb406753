"""Evaluating groups of subnets, in this process or on the workers of an executor."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain, islice
from typing import NamedTuple

import torch
from torch import Tensor

from optuna_ofa.evaluation._calibration import Calibration
from optuna_ofa.evaluation._computation import LITERT
from optuna_ofa.evaluation._converted import Converted
from optuna_ofa.evaluation._device import device_of
from optuna_ofa.evaluation._groups import Group
from optuna_ofa.evaluation._images import Loader
from optuna_ofa.evaluation._order import Part
from optuna_ofa.evaluation._score import Scores, score_subnets
from optuna_ofa.evaluation._sent import (
    Sent,
    part_at,
    pickled,
    sent_at,
    supernet_at,
    tensor_at,
    write_supernet,
    write_tensor,
)
from optuna_ofa.evaluation._settings import EvaluationSettings
from optuna_ofa.exceptions import MeasurementError
from optuna_ofa.executors import (
    Executor,
    LostWorkersError,
    Reference,
    Shared,
    keep_memory,
    n_workers_of,
    require_one_engine,
    run_tasks,
    spawn_pool,
)
from optuna_ofa.space import Subnet
from optuna_ofa.supernet import Supernet

_UNKNOWN = 16  # workers of an engine that does not say how many it has


class Scorer(contextlib.ExitStack):
    """Evaluates groups of subnets during one call, whose workers and files go with the block.

    Args:
        supernet: The supernet.
        loader: The loader of the images.
        calibration: The images for recalibration.
        settings: The settings.
        executor: The workers; None for the processes of the settings, or for this process.

    Raises:
        InvalidArgumentError: If there are an executor and several processes, or the loader
            cannot be sent to workers.
    """

    def __init__(
        self,
        supernet: Supernet,
        loader: Loader,
        calibration: Calibration,
        settings: EvaluationSettings,
        executor: Executor | None = None,
    ) -> None:
        super().__init__()
        require_one_engine(executor, settings.processes)
        self._supernet, self._loader, self._calibration = supernet, loader, calibration
        self._settings, self._executor = settings, executor
        self.n_workers = settings.processes
        if executor is not None:
            self.n_workers = n_workers_of(executor) or _UNKNOWN
        self._computation = settings.computation_of(supernet)
        self._sent: bytes | None = None
        self._sender: _Sender | None = None
        if executor is not None or settings.processes > 1:
            sent = Sent(loader, settings.device, self._computation)
            self._sent = pickled(sent, by_value=executor is not None)

    def score(self, groups: Iterable[Group]) -> Iterator[tuple[Group, Scores]]:
        """Yield groups with their scores, as they finish.

        Raises:
            MeasurementError: If the device fails, or workers are lost again and again.
        """
        waiting = iter(groups)
        if self._sent is None:
            yield from map(self._scored_here, waiting)
            return
        if self._executor is None:  # no processes for a single group
            first = list(islice(waiting, 2))
            if len(first) < 2:
                yield from map(self._scored_here, first)
                return
            waiting = chain(first, waiting)
            processes = self._settings.processes
            threads = max(1, torch.get_num_threads() // processes)
            self._executor = self.enter_context(spawn_pool(processes, threads=threads))
        yield from self._scored_on(self._executor, waiting, self._sent)

    def _scored_here(self, group: Group) -> tuple[Group, Scores]:
        settings = self._settings
        return group, score_subnets(
            self._supernet,
            group.subnets,
            self._loader,
            self._calibration(group.resolution),
            device_of(settings.device),
            group.part,
            self._computation,
            self._converted,
        )

    @cached_property
    def _converted(self) -> Converted | None:
        """The converted networks that are there already; None for other runtimes."""
        is_litert = self._computation.runtime == LITERT
        return self._settings.converted(self._supernet) if is_litert else None

    def _scored_on(
        self, executor: Executor, groups: Iterator[Group], sent: bytes
    ) -> Iterator[tuple[Group, Scores]]:
        if self._sender is None:
            shared = self.enter_context(Shared())
            self._sender = _Sender(shared, self._supernet, sent)
        sender, given = self._sender, dict[int, Group]()

        def tasks() -> Iterator[_Task]:
            for i, group in enumerate(groups):
                given[i] = group
                yield sender.task(group, self._calibration(group.resolution), self._converted)

        running = run_tasks(
            executor, _score_group, tasks(), shared=sender.shared, describe=_described
        )
        self.enter_context(contextlib.closing(running))
        try:
            for i, scores in running:
                yield given.pop(i), scores
        except LostWorkersError as error:
            raise MeasurementError(
                f"Evaluation stopped. {error} What was evaluated before is kept in the `storage`, "
                f"if there is one; call again to continue."
            ) from error


class _Task(NamedTuple):
    """A group of subnets, and where the worker finds all else: 2 kB."""

    subnets: Sequence[Subnet]
    supernet: Reference
    sent: Reference
    calibration: Reference | None
    part: Reference | None
    converted: Converted | None


def _described(task: _Task) -> str:
    return ", ".join(map(str, task.subnets))


class _Sender:
    """Makes tasks; consecutive ones with the same images refer to one file."""

    def __init__(self, shared: Shared, supernet: Supernet, sent: bytes) -> None:
        self.shared = shared
        self._supernet = shared.put(lambda file: write_supernet(supernet, file))
        self._sent = shared.put(lambda file: file.write(sent))
        self._images: tuple[Tensor, Reference] | None = None
        self._part: tuple[Part, Reference] | None = None

    def task(self, group: Group, images: Tensor | None, converted: Converted | None) -> _Task:
        return _Task(
            group.subnets,
            self._supernet,
            self._sent,
            None if images is None else self._of_images(images),
            None if group.part is None else self._of_part(group.part),
            converted,
        )

    def _of_images(self, images: Tensor) -> Reference:
        if self._images is None or self._images[0] is not images:
            self._images = images, self.shared.put(lambda file: write_tensor(images, file))
        return self._images[1]

    def _of_part(self, part: Part) -> Reference:
        if self._part is None or self._part[0] is not part:
            self._part = part, self.shared.put(lambda file: pickle.dump(part, file))
        return self._part[1]


def _score_group(task: _Task) -> Scores:
    """Evaluate one group in a worker."""
    keep_memory()
    sent = sent_at(task.sent)
    return score_subnets(
        supernet_at(task.supernet),
        task.subnets,
        sent.loader,
        tensor_at(task.calibration),
        device_of(sent.device),
        part_at(task.part),
        sent.computation,
        task.converted,
    )
