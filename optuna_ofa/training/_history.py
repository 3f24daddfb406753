"""The history of a training run: losses and accuracies by phase."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from optuna_ofa._parsing import parse_json
from optuna_ofa.space import Family, SearchSpace, Subnet
from optuna_ofa.training._callbacks import Stopped
from optuna_ofa.training._random import derived_seed
from optuna_ofa.training._recipe import draw_subnets


@dataclass(frozen=True)
class LogEntry:
    """One line of the log.

    Args:
        step: Steps done, over all phases.
        phase: Name of the phase.
        loss: Mean loss since the previous line; a step's loss is the mean over its runs.
        top1: Accuracy of each followed subnet in percent; empty if not evaluated.
    """

    step: int
    phase: str
    loss: float
    top1: tuple[float, ...] = ()


@dataclass(frozen=True)
class TrainingHistory:
    """The result of `train`, which is also kept in checkpoints.

    Args:
        subnets: The followed subnets: smallest, largest, and random ones.
        entries: The lines of the log, at least one at the end of each phase.
        stopped: Why the run ended before its last step: ``"timeout"``, or ``"callback"``; None if
            it did not. It is not kept.
    """

    subnets: tuple[Subnet, ...]
    entries: tuple[LogEntry, ...] = ()
    stopped: Stopped | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the followed subnets."""
        return ("smallest", "largest", *(f"random {i + 1}" for i in range(len(self.subnets) - 2)))

    def __str__(self) -> str:
        lines = ["phase            step    loss  smallest  largest  random: mean  worst"]
        for entry in self.entries:
            line = f"{entry.phase:<12} {entry.step:>8} {entry.loss:>7.3f}"
            if entry.top1:
                smallest, largest, *others = entry.top1
                line += f" {smallest:>9.2f} {largest:>8.2f}"
                if others:
                    line += f" {sum(others) / len(others):>13.2f} {min(others):>6.2f}"
            lines.append(line)
        return "\n".join(lines)


def followed_subnets(space: SearchSpace, n_random: int, seed: int) -> tuple[Subnet, ...]:
    """Return the smallest, the largest and random subnets, which depend only on the seed."""
    rng = np.random.default_rng(derived_seed(seed, 2))
    return (space.smallest(), space.largest(), *draw_subnets(space, n_random, rng))


def to_json(history: TrainingHistory) -> str:
    """Return the history as JSON, for a checkpoint."""
    return json.dumps(
        {
            "subnets": [subnet.to_dict(by_name=True) for subnet in history.subnets],
            "entries": [asdict(entry) for entry in history.entries],
        }
    )


def from_json(text: str, family: Family) -> TrainingHistory:
    """Read what `to_json` wrote.

    Raises:
        FormatError: If it is not JSON within the limits of files.
    """
    data = parse_json(text, "the history", "checkpoint")
    entries = [LogEntry(**{**e, "top1": tuple(e["top1"])}) for e in data["entries"]]
    subnets: Sequence[Subnet] = [Subnet.from_dict(d, family) for d in data["subnets"]]
    return TrainingHistory(tuple(subnets), tuple(entries))
