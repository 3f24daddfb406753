"""The optimiser of a phase and its learning rates."""

from __future__ import annotations

import contextlib
import copy
import inspect
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from optuna_ofa._parsing import in_a_line
from optuna_ofa._quiet import quiet
from optuna_ofa.exceptions import InvalidArgumentError, OptunaOFAError
from optuna_ofa.training._schedule import Schedule, learning_rate
from optuna_ofa.training._settings import TrainingSettings

Group = dict[str, Any]


class Optimiser:
    """The optimiser of a phase with its learning rates, after some steps of the phase.

    Args:
        net: The network to train.
        settings: The settings, which may have factories.
        schedule: The phases of the run.
        phase: Index of the phase.
        done: Steps of the phase that are done; a scheduler is advanced by as many.

    Raises:
        InvalidArgumentError: If a factory fails or returns something else than it must, or the
            scheduler ends before the steps that are done.
    """

    def __init__(
        self,
        net: nn.Module,
        settings: TrainingSettings,
        schedule: Schedule,
        phase: int,
        done: int = 0,
    ) -> None:
        self._phase = schedule.phases[phase]
        self._done = done
        self.torch: torch.optim.Optimizer
        if settings.optimizer is None:
            self.torch = make_optimiser(net, settings, self._phase.learning_rate)
        else:
            self.torch = _made(net, settings.optimizer)
            for group in self.torch.param_groups:
                _set_rate(group, float(group["lr"]) * schedule.relative_rate(phase))
        self._peaks = [float(group["lr"]) for group in self.torch.param_groups]
        self._scheduler: LRScheduler | None = None
        if settings.scheduler is not None:
            self._scheduler = _made_scheduler(settings, self.torch, self._phase.n_steps)
        self.initial = [copy.deepcopy(_options(group)) for group in self.torch.param_groups]
        if self._scheduler is not None:
            self._replay(self._scheduler)
        elif done:
            self._set_rates(done - 1)
        self.learning_rate = float(self.torch.param_groups[0]["lr"])

    def prepare(self) -> None:
        """Set the learning rates of the next step."""
        if self._scheduler is None:
            self._set_rates(self._done)
        self.learning_rate = float(self.torch.param_groups[0]["lr"])

    def advance(self) -> None:
        """Count a step that is done."""
        self._done += 1
        if self._scheduler is not None:
            # the first time, it warns if mixed precision has skipped the step
            with quiet() if self._done == 1 else contextlib.nullcontext():
                self._scheduler.step()

    def names(self) -> tuple[str, str]:
        """Return the full names of the classes of the optimiser and its scheduler."""
        return _full_name(self.torch), _full_name(self._scheduler)

    def load(self, data: dict[str, Any]) -> None:
        """Restore the state of all parameters, and what the optimiser itself keeps in its groups.

        Options that the schedule changes stay as they are: it may be another one.
        """
        scheduled = [
            {
                name: value
                for name, value in _options(group).items()
                if name == "lr" or not _same(value, first[name])
            }
            for group, first in zip(self.torch.param_groups, self.initial, strict=True)
        ]
        self.torch.load_state_dict(data)
        for group, kept, first in zip(
            self.torch.param_groups, scheduled, self.initial, strict=True
        ):
            group.update({**first, **_options(group), **kept})

    def _replay(self, scheduler: LRScheduler) -> None:
        n = 0
        try:
            with quiet():  # it warns because no step was done
                while n < self._done:
                    scheduler.step()
                    n += 1
        except Exception as error:
            raise InvalidArgumentError(
                "`settings.scheduler` must return a scheduler for the "
                f"{self._phase.n_steps} steps of phase {self._phase.name!r}, but after step "
                f"{n + 1} it raised {_described(error)}."
            ) from error

    def _set_rates(self, step: int) -> None:
        for group, peak in zip(self.torch.param_groups, self._peaks, strict=True):
            _set_rate(group, learning_rate(peak, self._phase, step))


def make_optimiser(net: nn.Module, settings: TrainingSettings, rate: float = 0) -> torch.optim.SGD:
    """Return SGD with Nesterov momentum; batch normalisation and biases have no weight decay."""
    decaying, others = parameter_groups(net)
    decaying["weight_decay"] = settings.weight_decay
    return torch.optim.SGD([decaying, others], lr=rate, momentum=settings.momentum, nesterov=True)


def parameter_groups(net: nn.Module) -> list[Group]:
    """Return the weights, and batch normalisation and biases, which have no weight decay."""
    parameters = [p for p in net.parameters() if p.requires_grad]
    # batch normalisation and biases are vectors, all other weights are not
    return [
        {"params": [p for p in parameters if p.ndim > 1]},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def different(found: list[Group], expected: list[Group]) -> str | None:
    """Return an option of an optimiser's groups in a checkpoint that is not as expected.

    Args:
        found: The groups in the checkpoint.
        expected: The groups of an optimiser after as many steps.

    Returns:
        Its name and both values; None if there is none. Options that only one of them has, those
        of another version of PyTorch, do not count.
    """
    for written, group in zip(found, expected, strict=True):
        for name in (n for n in group if n != "params" and n in written):
            if not _same(written[name], group[name]):
                return f"{name} {written[name]!r:.50}, but got {group[name]!r:.50}"
    return None


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if all(isinstance(value, int | float | Tensor) for value in (one, other)):
        # another processor may compute a cosine with another last digit
        return math.isclose(float(one), float(other), rel_tol=1e-6, abs_tol=1e-12)
    return bool(one == other)


def _options(group: Group) -> Group:
    return {name: value for name, value in group.items() if name != "params"}


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {in_a_line(error)}"


def _called(argument: str, kind: str, factory: Any, *arguments: Any) -> Any:
    try:
        return factory(*arguments)
    except OptunaOFAError:
        raise
    except Exception as error:
        raise InvalidArgumentError(
            f"`settings.{argument}` must return {kind}, but raised {_described(error)}."
        ) from error


def _made(net: nn.Module, factory: Any) -> torch.optim.Optimizer:
    groups = parameter_groups(net)
    own = {id(p) for group in groups for p in group["params"]}
    optimiser = _called("optimizer", "a torch.optim.Optimizer", factory, groups)
    if not isinstance(optimiser, torch.optim.Optimizer):
        raise InvalidArgumentError(
            "`settings.optimizer` must return a torch.optim.Optimizer, but returned a "
            f"{type(optimiser).__name__}."
        )
    if any(id(p) not in own for group in optimiser.param_groups for p in group["params"]):
        raise InvalidArgumentError(
            "`settings.optimizer` must return an optimizer of the parameters that it is called "
            "with, but returned one of others."
        )
    try:
        inspect.signature(optimiser.step).bind()
    except TypeError:
        raise InvalidArgumentError(
            "`settings.optimizer` must return an optimizer whose `step` needs no argument, but "
            f"that of {type(optimiser).__name__} does."
        ) from None
    return optimiser


def _made_scheduler(
    settings: TrainingSettings, optimiser: torch.optim.Optimizer, n_steps: int
) -> LRScheduler:
    assert settings.scheduler is not None
    factory: Any = settings.scheduler
    kind = "a torch.optim.lr_scheduler.LRScheduler whose `step` needs no metric"
    if factory is ReduceLROnPlateau:
        raise InvalidArgumentError(
            f"`settings.scheduler` must return {kind}, but is ReduceLROnPlateau."
        )
    scheduler = _called("scheduler", kind, factory, optimiser, n_steps)
    if not isinstance(scheduler, LRScheduler) or isinstance(scheduler, ReduceLROnPlateau):
        raise InvalidArgumentError(
            f"`settings.scheduler` must return {kind}, but returned a {type(scheduler).__name__}."
        )
    if getattr(scheduler, "optimizer", optimiser) is not optimiser:
        raise InvalidArgumentError(
            "`settings.scheduler` must return a scheduler of the optimizer that it is called "
            "with, but returned one of another."
        )
    return scheduler


def _set_rate(group: Group, value: float) -> None:
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(value)
    else:
        group["lr"] = value


def _full_name(value: object) -> str:
    cls = type(value)
    return "None" if value is None else f"{cls.__module__}.{cls.__qualname__}"
