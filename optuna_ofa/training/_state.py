"""The state of a training run."""

from __future__ import annotations

import copy
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from optuna_ofa.space import Subnet
from optuna_ofa.supernet import Supernet
from optuna_ofa.training import _distributed
from optuna_ofa.training._batches import StreamPosition
from optuna_ofa.training._history import TrainingHistory, from_json, to_json
from optuna_ofa.training._optimiser import Optimiser
from optuna_ofa.training._schedule import Schedule
from optuna_ofa.training._settings import TrainingSettings


class TrainingState:
    """The state of a training run: the supernet, its optimiser, teacher and history.

    Args:
        supernet: The supernet, which is trained in place.
        settings: The settings.
        history: The history, with the followed subnets.
        schedule: The phases.
    """

    optimiser: Optimiser

    def __init__(
        self,
        supernet: Supernet,
        settings: TrainingSettings,
        history: TrainingHistory,
        schedule: Schedule,
    ) -> None:
        device = next(supernet.parameters()).device
        self.supernet = supernet
        self.history = history
        self.schedule = schedule
        self.step = 0
        self.position = StreamPosition()
        self.positions = [self.position]
        self.teacher: nn.Module | None = None
        self.scaler = torch.amp.GradScaler(
            device.type, enabled=settings.mixed_precision is True and device.type == "cuda"
        )
        self._settings = settings
        self._taught_by: Subnet | None = None
        self._losses: list[float] = []
        self.renew(0)

    def renew(self, phase: int, done: int = 0) -> None:
        """Begin a phase with a new optimiser and a new average of the weights.

        Args:
            phase: Index of the phase.
            done: Steps of the phase that are done.
        """
        self.optimiser = Optimiser(self.supernet, self._settings, self.schedule, phase, done)
        decay = self._settings.average_decay
        self._average = None
        if decay is not None:
            average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
            self._average = AveragedModel(self.supernet, multi_avg_fn=average)

    def freeze(self, teacher: Subnet) -> None:
        """Make a copy of a subnet the frozen teacher."""
        self._taught_by = teacher
        # Batch statistics, as published: running averages do not fit any single resolution.
        self.teacher = self.supernet.extract(teacher).requires_grad_(False).train()
        for module in self.teacher.modules():
            if isinstance(module, nn.Dropout):
                module.eval()

    def average(self) -> None:
        """Add the weights to their average, if there is one."""
        if self._average is not None:
            self._average.update_parameters(self.supernet)

    @property
    def evaluated(self) -> Supernet:
        """The supernet with the weights to evaluate: their average, if there is one."""
        if self._average is None:
            return self.supernet
        return cast(Supernet, self._average.module)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the last step, of the first group of parameters."""
        return self.optimiser.learning_rate

    def try_schedulers(self) -> None:
        """Make the optimisers of the remaining phases, and follow their schedulers to the end.

        Raises:
            InvalidArgumentError: If a factory fails, or a scheduler ends too early.
        """
        if self._settings.scheduler is None and self._settings.optimizer is None:
            return
        for phase in range(self.schedule.index(self.step), len(self.schedule.phases)):
            n_steps = self.schedule.phases[phase].n_steps
            Optimiser(self.supernet, self._settings, self.schedule, phase, n_steps)

    def add_loss(self, loss: float) -> None:
        """Add the loss of a step to the next line of the log."""
        self._losses.append(loss)

    def take_loss(self) -> float:
        """Return the mean loss since the last call; NaN if there is none."""
        losses, self._losses = self._losses, []
        return sum(losses) / len(losses) if losses else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Return the state as tensors, numbers and text for `restore`."""
        averaged = self._average is not None
        return {
            "state_dict": self.evaluated.state_dict(),
            "unaveraged": self.supernet.state_dict() if averaged else None,
            "n_averaged": int(self._average.n_averaged) if self._average is not None else 0,
            "phases": self.schedule.to_list(),
            "classes": self.optimiser.names(),
            "optimiser": self.optimiser.torch.state_dict(),
            "options": self.optimiser.initial,
            "scaler": self.scaler.state_dict(),
            "teacher": None if self.teacher is None else self.teacher.state_dict(),
            "taught_by": None if self._taught_by is None else self._taught_by.to_json(),
            "threads": torch.get_num_threads(),
            "step": self.step,
            "positions": [tuple(position) for position in self.positions],
            "losses": list(self._losses),
            "history": to_json(self.history),
        }

    def copy(self) -> TrainingState:
        """Return a new state of a copy of the supernet."""
        supernet = copy.deepcopy(self.supernet)
        return TrainingState(supernet, self._settings, self.history, self.schedule)

    def restore(self, data: dict[str, Any]) -> None:
        """Set everything but the schedule to what `to_dict` returned."""
        weights: dict[str, Tensor] = data["unaveraged"] or data["state_dict"]
        self.supernet.load_state_dict(weights)
        phase = self.schedule.index(data["step"] - 1)
        self.renew(phase, data["step"] - self.schedule.first(phase))
        if self._average is not None:
            self.evaluated.load_state_dict(data["state_dict"])
            self._average.n_averaged.fill_(data["n_averaged"])
        self.optimiser.load(data["optimiser"])
        self.scaler.load_state_dict(data["scaler"])
        if data["taught_by"] is not None:
            self.freeze(Subnet.from_json(data["taught_by"], self.supernet.family))
            assert self.teacher is not None
            self.teacher.load_state_dict(data["teacher"])
        self.step = data["step"]
        self.positions = [StreamPosition(*position) for position in data["positions"]]
        is_same = len(self.positions) == _distributed.n_processes()
        self.position = self.positions[_distributed.rank() if is_same else 0]
        self._losses = list(data["losses"])
        self.history = from_json(data["history"], self.supernet.family)
