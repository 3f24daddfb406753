"""An endless stream of batches whose order depends only on the seed and the position."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import Family
from optuna_ofa.supernet import check_batch
from optuna_ofa.training._random import derived_seed, get_states, seed_all, set_states

_END = object()  # of an epoch; a batch may be None


class StreamPosition(NamedTuple):
    """The position in a stream.

    Args:
        epoch: The epoch, from 0.
        n_given: Batches of the epoch so far.
        n_images: Their images.
        n_processes: Processes, each of which has a stream of as many.
    """

    epoch: int = 0
    n_given: int = 0
    n_images: int = 0
    n_processes: int = 1


class Batches(Iterator[tuple[Tensor, Tensor]]):
    """The batches of a loader, epoch after epoch.

    Before each epoch the global generators of python, numpy and torch are seeded with the seed,
    the epoch and the process; so are generators of the loader and its samplers, with the seed
    and the epoch; and the epoch of samplers is set (``set_epoch``). The caller's random states are
    restored after each batch.

    Args:
        loader: Yields pairs of images and labels each time it is iterated over.
        family: The family that they must fit.
        seed: Seed of the run.
        rank: Index of the process.
        n_processes: Number of processes.
        weights: Type of the supernet's weights, which is also allowed for images.
        position: The position to start from. Earlier batches of its epoch are read and dropped, so
            that the same random numbers are consumed. If it is of another number of processes,
            batches are dropped until all processes together have dropped as many images.

    Raises:
        InvalidArgumentError: If the loader can be read only once; while reading, if it is empty
            or yields something that does not fit the family.
    """

    def __init__(
        self,
        loader: Iterable[Any],
        family: Family,
        *,
        seed: int,
        rank: int = 0,
        n_processes: int = 1,
        weights: torch.dtype = torch.float32,
        position: StreamPosition | None = None,
    ) -> None:
        if not isinstance(loader, Iterable) or isinstance(loader, Iterator):
            raise InvalidArgumentError(
                "`loader` must give batches each time it is read, such as a "
                f"torch.utils.data.DataLoader, but got {type(loader).__name__}."
            )
        self._loader = loader
        self._family = family
        self._seed = seed
        self._rank = rank
        self._weights = weights
        position = position or StreamPosition(n_processes=n_processes)
        self.position = StreamPosition(position.epoch, n_processes=n_processes)
        self._start()
        if position.n_processes == n_processes:
            self._skip_to(position)
        else:
            self._skip_images(position.n_images * position.n_processes)

    def _skip_to(self, position: StreamPosition) -> None:
        while self.position.n_given < position.n_given:
            next(self)
            if self.position.epoch != position.epoch:
                raise InvalidArgumentError(
                    f"`loader` must give what it gave when the checkpoint was written, but an "
                    f"epoch had more than {position.n_given - 1} batches then, and has fewer now."
                )
        if self.position != position:
            raise InvalidArgumentError(
                "`loader` must give what it gave when the checkpoint was written, but "
                f"{position.n_given} batches had {position.n_images} images then, and "
                f"{self.position.n_images} now."
            )

    def _skip_images(self, n: int) -> None:
        """Drop the first images of all processes' epoch, at most all of them."""
        epoch = self.position.epoch
        while self.position.n_images * self.position.n_processes < n:
            next(self)
            if self.position.epoch != epoch:
                self._start()  # the epoch was over: give this batch again
                break

    def __next__(self) -> tuple[Tensor, Tensor]:
        """Return images ``(n, channels, height, width)`` and labels.

        Labels are class indices ``(n,)`` or probabilities ``(n, n_classes)``.
        """
        images, labels = _fitting(self._read(), self._family, self._weights)
        n = self.position.n_images + len(images)
        self.position = self.position._replace(n_images=n)
        return images, labels

    def _read(self) -> Any:
        try:
            batch = self._with_own_states(next, self._batches)
        except StopIteration:
            self._next_epoch()
            batch = self._with_own_states(next, self._batches, _END)
        if batch is _END:
            raise InvalidArgumentError("`loader` must give at least one batch, but is empty.")
        self.position = self.position._replace(n_given=self.position.n_given + 1)
        return batch

    def _next_epoch(self) -> None:
        self.position = self.position._replace(epoch=self.position.epoch + 1)
        self._start()

    def _start(self) -> None:
        epoch = self.position.epoch
        self.position = self.position._replace(n_given=0, n_images=0)
        samplers = [getattr(self._loader, name, None) for name in ("sampler", "batch_sampler")]
        for part in (self._loader, *samplers):
            if isinstance(generator := getattr(part, "generator", None), torch.Generator):
                generator.manual_seed(derived_seed(self._seed, epoch))
        for sampler in samplers:
            if callable(set_epoch := getattr(sampler, "set_epoch", None)):
                set_epoch(epoch)
        outside = get_states()
        seed_all(derived_seed(self._seed, epoch, self._rank, 1))
        self._states = get_states()
        set_states(outside)
        self._batches: Iterator[Any] = self._with_own_states(iter, self._loader)

    def _with_own_states(self, function: Any, *arguments: Any) -> Any:
        outside = get_states()
        set_states(self._states)
        try:
            return function(*arguments)
        finally:
            self._states = get_states()
            set_states(outside)


def _fitting(batch: Any, family: Family, weights: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return the images and labels of a batch.

    Raises:
        InvalidArgumentError: If it is something else or does not fit.
    """
    which = "a batch"
    images, labels = check_batch(batch, family, "`loader` must give", which, weights, soft=True)
    return images, labels.to(weights) if labels.is_floating_point() else labels.long()
