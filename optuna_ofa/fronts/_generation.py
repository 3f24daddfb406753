"""Summaries of generations that a study keeps only a part of."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from optuna_ofa.problem import SUMMARY_KEY, Evaluated, Problem


class Generation(NamedTuple):
    """Summary of a generation of a study that does not keep all evaluations.

    Args:
        n_evaluated: How many subnets were predicted.
        n_feasible: How many of them satisfy the constraints.
        n_written: How many became trials.
        best: The best value of each objective among the feasible ones; None if there is none.
        completed: When it was predicted, in local time.
    """

    n_evaluated: int
    n_feasible: int
    n_written: int
    best: Mapping[str, float | None]
    completed: datetime.datetime

    @staticmethod
    def of(
        problem: Problem, predicted: Evaluated, completed: datetime.datetime, n_written: int
    ) -> Generation:
        """Return the summary of a generation of predictions."""
        good = predicted.values[predicted.feasible] * problem.signs
        best = (good.min(axis=0) * problem.signs).tolist() if len(good) else [None] * good.shape[1]
        named = dict(zip(problem.objectives, best, strict=True))
        return Generation(len(predicted.matrix), len(good), n_written, named, completed)

    def to_dict(self) -> dict[str, Any]:
        """Return the attribute of the study (JSON); the time is in UTC."""
        completed = self.completed.astimezone(datetime.UTC).isoformat()
        return {**self._asdict(), "completed": completed}

    @staticmethod
    def from_dict(stored: Mapping[str, Any]) -> Generation:
        """Return the generation that `to_dict` has described."""
        completed = datetime.datetime.fromisoformat(stored["completed"])
        return Generation(**{**stored, "completed": completed.astimezone().replace(tzinfo=None)})


def summaries(attributes: Mapping[str, Any]) -> list[Generation]:
    """Return the generations among a study's system attributes, in their order."""
    keys = sorted(key for key in attributes if key.startswith(SUMMARY_KEY))
    return [Generation.from_dict(attributes[key]) for key in keys]


def next_key(keys: Iterable[str]) -> str:
    """Return the key of the next generation."""
    last = max((key for key in keys if key.startswith(SUMMARY_KEY)), default=None)
    return f"{SUMMARY_KEY}{0 if last is None else int(last.removeprefix(SUMMARY_KEY)) + 1:08}"
