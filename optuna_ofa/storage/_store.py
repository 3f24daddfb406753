"""Where the trials of a search are: reading what is new, and writing a generation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from optuna_ofa.fronts import Batch, KnownFront, Results
from optuna_ofa.problem import Keep, Problem
from optuna_ofa.storage._generations import SAMPLED


class Written(NamedTuple):
    """What came of a generation.

    Args:
        n_evaluated: How many of its subnets nobody else had finished by then.
        own: The trials that were written, as far as their numbers are known already.
        news: The trials that others have finished since the last look.
    """

    n_evaluated: int
    own: Results
    news: Results


class Store(ABC):
    """The trials of one study. Called by `SubnetStudy` and its archive.

    Args:
        problem: What the study searches for.
        keep: What is written of a generation.
    """

    def __init__(self, problem: Problem, keep: Keep) -> None:
        self._problem = problem
        self._front = KnownFront(problem) if keep != "all" else None
        self._samples = keep == "sample"

    @abstractmethod
    def read(self) -> Results:
        """The trials that have finished since the last call, whoever ran them."""

    @abstractmethod
    def write(self, batch: Batch) -> Written:
        """Add the trials of a generation.

        Raises:
            StorageError: If the database refuses; nothing of the generation is in it then.
        """

    @abstractmethod
    def count_waiting(self) -> int:
        """Number of trials that were enqueued and not started."""

    def _chosen(self, batch: Batch, news: Results) -> Batch:
        if self._front is None:
            return batch
        kept = self._front.extended_by(batch, news)
        if self._samples:
            kept[::SAMPLED] = True  # a generation is in no order that matters
        return batch.select(kept)

    def _learn(self, *parts: Results) -> None:
        if self._front is not None:
            self._front.learn(Results.join(parts))
