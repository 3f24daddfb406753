"""One training run: its steps, its log and its checkpoints."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from optuna_ofa._progress import progress_bar
from optuna_ofa.exceptions import DivergedTrainingError, InvalidArgumentError
from optuna_ofa.space import SearchSpace, Subnet
from optuna_ofa.supernet import Supernet
from optuna_ofa.training import _distributed
from optuna_ofa.training._batches import Batches
from optuna_ofa.training._callbacks import Stopped, TrainingStep, Watch
from optuna_ofa.training._checkpoint import (
    identified,
    read_checkpoint,
    write_checkpoint,
    written_schedule,
)
from optuna_ofa.training._exchange import Exchange
from optuna_ofa.training._history import LogEntry, TrainingHistory, followed_subnets
from optuna_ofa.training._random import derived_seed, seeded
from optuna_ofa.training._recipe import Phase, Recipe, Run, check_runs
from optuna_ofa.training._schedule import Schedule
from optuna_ofa.training._settings import TrainingSettings
from optuna_ofa.training._state import TrainingState
from optuna_ofa.training._step import Runner
from optuna_ofa.training._sync_batch_norm import synchronised

Evaluate = Callable[[Supernet, Sequence[Subnet]], ArrayLike]


class Loop:
    """One training run.

    Args:
        supernet: The supernet.
        recipe: The recipe.
        space: The subnets to train.
        settings: The settings.
        n_followed: Random subnets that are evaluated.
    """

    exchange: Exchange
    path: Path | None
    checkpoint_every: int
    evaluate: Evaluate | None
    evaluate_every: int | None
    progress: bool | None
    watch: Watch

    def __init__(
        self,
        supernet: Supernet,
        recipe: Recipe,
        space: SearchSpace,
        settings: TrainingSettings,
        n_followed: int,
    ) -> None:
        self.recipe = recipe
        self.space = space
        self.settings = settings
        followed = TrainingHistory(followed_subnets(space, n_followed, settings.seed))
        schedule = Schedule(recipe.phases(space))
        self.state = TrainingState(supernet, settings, followed, schedule)

    def run(self, loader: Iterable[Any]) -> None:
        state = self.state
        self._restore()
        _distributed.broadcast_weights(state.supernet)
        total = state.schedule.n_steps
        if state.step == total:
            return self._finish()
        state.try_schedulers()
        batches = self._batches(loader)
        runner = Runner(state.supernet, self.settings, state.scaler)
        shown = self.progress if _distributed.rank() == 0 else False
        is_watched = self.exchange.from_first(lambda: self.watch.is_needed)
        stopped: Stopped | None = None
        with progress_bar("", shown, total=total, initial=state.step, unit="step") as bar:
            while state.step < total and stopped is None:
                phase = state.schedule.index(state.step)
                bar.set_description(state.schedule.phases[phase].name, refresh=False)
                loss = self._step(phase, batches, runner)
                bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
                bar.update()
                self._log(phase)
                if is_watched:
                    stopped = self._call(phase, loss)
        if stopped is not None and state.step < total:
            self._stop(phase, stopped)
        return self._finish()

    def _batches(self, loader: Iterable[Any]) -> Batches:
        """Return the stream of batches, once every process has found its position in it."""
        opened: list[Batches] = []
        self.exchange.gather(lambda: opened.append(self._opened(loader)))
        return opened[0]

    def _opened(self, loader: Iterable[Any]) -> Batches:
        return Batches(
            loader,
            self.space.family,
            seed=self.settings.seed,
            rank=_distributed.rank(),
            n_processes=_distributed.n_processes(),
            weights=next(self.state.supernet.parameters()).dtype,
            position=self.state.position,
        )

    def _step(self, phase: int, batches: Batches, runner: Runner) -> float:
        state = self.state
        if state.step == state.schedule.first(phase):
            self._enter(phase)
        rng = np.random.default_rng([self.settings.seed, state.step])
        runs = self.recipe.runs(self.space, phase, rng)
        check_runs(runs, self.space, state.teacher is not None)
        state.supernet.train()
        with _statistics_kept(state.supernet):
            value = self._loss(runs, batches, runner)
            if not math.isfinite(value):
                raise self._diverged(f"the loss is {value}", state.schedule.phases[phase])
        state.optimiser.prepare()
        self._apply_gradients()
        state.optimiser.advance()
        state.average()
        state.add_loss(value)
        state.step += 1
        state.position = batches.position
        return value

    def _loss(self, runs: Sequence[Run], batches: Batches, runner: Runner) -> float:
        """Add the gradients of a step, and return its loss over all processes."""
        wanted = self.settings.sync_batch_norm

        def add_gradients() -> torch.Tensor:
            loss = torch.zeros((), device=next(self.state.supernet.parameters()).device)
            for i in range(self.settings.n_accumulated):
                images, labels = next(batches)
                key = (self.settings.seed, self.state.step, i, _distributed.rank())
                with (
                    seeded(derived_seed(*key)),
                    synchronised(self.state.supernet, self.state.teacher, wanted=wanted),
                ):
                    loss += runner.add_gradients(runs, images, labels, self.state.teacher)
            return loss

        if wanted:  # layers send messages: a process that fails cannot send another one
            loss = float(_distributed.average(add_gradients()))
        else:
            loss = self.exchange.average(add_gradients)
        return loss / self.settings.n_accumulated

    def _enter(self, phase: int) -> None:
        teacher = self.recipe.enter(self.space, phase, self.state.supernet)
        if teacher is not None:
            self.state.freeze(teacher)
        self.state.renew(phase)

    def _apply_gradients(self) -> None:
        state, optimiser = self.state, self.state.optimiser.torch
        _distributed.average_gradients(state.supernet.parameters())
        state.scaler.unscale_(optimiser)  # before the clipping, and the hooks of any optimiser
        if self.settings.max_gradient_norm is not None:
            nn.utils.clip_grad_norm_(state.supernet.parameters(), self.settings.max_gradient_norm)
        state.scaler.step(optimiser)
        state.scaler.update()
        # None: weights that no run of the next step uses must not move by decay or momentum
        optimiser.zero_grad(set_to_none=True)

    # ------------------------------------------------------------------ callbacks

    def _call(self, phase: int, loss: float) -> Stopped | None:
        """Call the callbacks in the first process; return in all why the run ends here."""
        state = self.state
        last = state.history.entries[-1:]
        top1 = last[0].top1 if last and last[0].step == state.step else ()
        done = TrainingStep(
            step=state.step,
            n_steps=state.schedule.n_steps,
            phase=state.schedule.phases[phase].name,
            loss=loss,
            learning_rate=state.learning_rate,
            top1=dict(zip(state.history.names, top1, strict=False)),
            stop=self.watch.stop,
        )
        return self.exchange.from_first(lambda: self.watch.after(done))

    def _stop(self, phase: int, reason: Stopped) -> None:
        if not self._is_due(phase):  # else it was just written
            self._write(self.state.schedule.phases[phase])
        self.state.history = replace(self.state.history, stopped=reason)

    # ------------------------------------------------------------------ log and checkpoints

    def _log(self, phase: int) -> None:
        state = self.state
        table, ended = state.schedule.phases[phase], state.step == state.schedule.ends[phase]
        if ended or (self.evaluate_every and state.step % self.evaluate_every == 0):
            self._add_entry(table)
        if self._is_due(phase):
            self._write(table)

    def _is_due(self, phase: int) -> bool:
        """Return whether a checkpoint is written after this step."""
        step = self.state.step
        return step == self.state.schedule.ends[phase] or step % self.checkpoint_every == 0

    def _add_entry(self, phase: Phase) -> None:
        state = self.state
        entry = LogEntry(state.step, phase.name, state.take_loss(), self._accuracies())
        state.history = replace(state.history, entries=(*state.history.entries, entry))

    def _accuracies(self) -> tuple[float, ...]:
        """Return the accuracies of the followed subnets, of which each process evaluates some."""
        if self.evaluate is None:
            return ()
        subnets, n = self.state.history.subnets, _distributed.n_processes()
        share = subnets[_distributed.rank() :: n]
        top1 = np.zeros(len(subnets))
        for first, found in enumerate(self.exchange.gather(lambda: self._evaluated(share))):
            top1[first::n] = found
        return tuple(top1.tolist())

    def _evaluated(self, subnets: Sequence[Subnet]) -> list[float]:
        if not subnets:  # more processes than subnets
            return []
        assert self.evaluate is not None
        values = np.asarray(self.evaluate(self.state.evaluated, subnets), dtype=float)
        if values.shape != (len(subnets),):
            raise InvalidArgumentError(
                f"`evaluate` must return {len(subnets)} accuracies, one per subnet, but returned "
                f"shape {values.shape}."
            )
        found: list[float] = values.tolist()
        return found

    def _write(self, phase: Phase) -> None:
        path = self.path
        if path is not None:
            state = self.state
            state.positions = self.exchange.gather(lambda: state.position)
            self.exchange.from_first(lambda: self._write_to(path, phase))

    def _write_to(self, path: Path, phase: Phase) -> None:
        if not all(bool(p.isfinite().all()) for p in self.state.supernet.parameters()):
            raise self._diverged("the weights are not finite", phase)
        write_checkpoint(path, self.state, self._description())

    def _restore(self) -> None:
        data = self.exchange.from_first(self._read)
        if data is not None:
            state = self.state
            state.schedule = state.schedule.continuing(written_schedule(data), data["step"])
            state.restore(data)

    def _read(self) -> dict[str, Any] | None:
        if self.path is None or not self.path.exists():
            return None
        return read_checkpoint(self.path, self.state, self._description())

    def _finish(self) -> None:
        if self.state.evaluated is not self.state.supernet:
            self.state.supernet.load_state_dict(self.state.evaluated.state_dict())

    def _description(self) -> Mapping[str, str]:
        return {
            "recipe": identified(self.recipe, "n_steps"),
            "space": repr({**self.space.choices}),
            "settings": identified(self.settings, "optimizer", "scheduler"),
            "dropout": str(self.state.supernet.dropout),
            "n_followed": str(len(self.state.history.subnets) - 2),
        }

    def _diverged(self, what: str, phase: Phase) -> DivergedTrainingError:
        kept = "there is no checkpoint"
        if self.path is not None and self.path.exists():
            kept = f"{self.path} is from an earlier step"
        return DivergedTrainingError(
            f"{what} at step {self.state.step} (phase {phase.name!r}, peak learning rate "
            f"{phase.learning_rate:g}); {kept}. A lower `learning_rate`, a longer warm-up or "
            "`max_gradient_norm` may help."
        )


@contextlib.contextmanager
def _statistics_kept(supernet: Supernet) -> Iterator[None]:
    """Restore the statistics of the supernet if the block fails."""
    before = [buffer.clone() for buffer in supernet.buffers()]
    try:
        yield
    except BaseException:
        for buffer, old in zip(supernet.buffers(), before, strict=True):
            buffer.copy_(old)
        raise
