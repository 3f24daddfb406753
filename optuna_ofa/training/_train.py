"""Training a supernet."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from optuna_ofa._arguments import Count, OutputFile, Positive, PositiveFloat, checked
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import SearchSpace, other_family
from optuna_ofa.supernet import Supernet
from optuna_ofa.training._callbacks import TrainingCallback, Watch
from optuna_ofa.training._exchange import exchange
from optuna_ofa.training._history import TrainingHistory
from optuna_ofa.training._loop import Evaluate, Loop
from optuna_ofa.training._recipe import Recipe
from optuna_ofa.training._settings import TrainingSettings


@checked
def train(
    supernet: Supernet,
    loader: Iterable[Any],
    *,
    recipe: Recipe,
    space: SearchSpace | None = None,
    settings: TrainingSettings | None = None,
    checkpoint: OutputFile | None = None,
    checkpoint_every: Positive = 1000,
    evaluate: Evaluate | None = None,
    evaluate_every: Positive | None = None,
    n_followed: Count = 10,
    progress: bool | None = None,
    callbacks: Iterable[TrainingCallback] | None = None,
    timeout: PositiveFloat | None = None,
) -> TrainingHistory:
    """Train a supernet in place, on its current device.

    Everything random depends on ``settings.seed`` and the number of the step, so a run that is
    killed and restarted gives the same weights as an uninterrupted one, provided the loader yields
    the same batches in the same epoch. A `torch.utils.data.DataLoader` does so, even with random
    augmentation and with workers, but not with ``persistent_workers``: before each epoch its
    generators are seeded and the epoch of its sampler is set. Batches that the killed run had
    already used are loaded again and dropped.

    On a CPU the weights are bit-identical, given the same version of torch and the same number of
    threads (`torch.set_num_threads`). The seed, settings and recipe are stored in the checkpoint,
    and other values are refused, except for a larger ``n_steps``: then the run continues at the
    learning rate that the longer schedule has at this step. Another number of threads or processes
    causes a warning. Your own seeds, such as that of the initial weights or one inside a data set,
    are not stored.

    Under ``torchrun``, once `torch.distributed.init_process_group` has been called, each process
    trains on the batches of its loader, a share of the whole batch (equally large in each; see
    `torch.utils.data.DistributedSampler`), and gradients are averaged. The learning rate is that
    of the whole batch. The first process reads and writes the checkpoint; the others wait for this
    and for each other's evaluations, without a timeout. An error in one process (outside of
    collectives) is raised in all.

    A run that ``timeout`` or a callback stops writes its checkpoint, and the next call continues it
    as if it had not been stopped.

    Afterwards the batch-normalisation statistics of the supernet are not valid for any subnet:
    recalibrate a subnet before it is used.

    Args:
        supernet: The supernet.
        loader: Yields batches of normalised images ``(n, in_channels, height, width)`` and
            labels each time it is iterated over: class indices ``(n,)``, or probabilities
            ``(n, n_classes)``, as mixup makes them. Images are resized bilinearly.
        recipe: The choice of subnets and losses of each step: `Sandwich`,
            `ProgressiveShrinking`, or your own `Recipe`.
        space: The subnets to train; None is all of the supernet's.
        settings: Weight decay, mixed precision and so on; None is `TrainingSettings()`.
        checkpoint: A file to write while training. If it exists, training resumes from it; a
            finished run is not repeated. `load_supernet` can read it too.
        checkpoint_every: Steps from one checkpoint to the next; one is also written after each
            phase.
        evaluate: Returns the accuracies of subnets in percent, ``(n,)``, and must not modify the
            supernet. It is called after each phase, in each process with a share of the followed
            subnets, so it must not exchange messages with other processes.
        evaluate_every: Steps from one evaluation to the next; None evaluates only after phases.
        n_followed: Random subnets that are evaluated besides the smallest and the largest.
        progress: Whether to show a progress bar, in the first process only; None shows it on a
            terminal only.
        callbacks: Functions that are called with a `optuna_ofa.training.TrainingStep` after each
            step, in the first process only, for example to write to a tracker. If one calls
            ``stop()`` of the step, the run stops after it, in all processes at the same step; if
            one raises, the run ends with that error, and the last checkpoint is kept. They are
            called for the steps of this call alone, and must not change the supernet.
        timeout: Seconds after which no further step starts, by the clock of the first process. At
            least one step is done, so repeated calls finish the run.

    Returns:
        Losses and accuracies; ``stopped`` says why the run ended before its last step, if it did.

    Raises:
        InvalidArgumentError: If an argument breaks a rule, for example the checkpoint cannot be
            written (before any step); if the loader is empty or yields something that does not
            fit the family or is not finite; or if the checkpoint is of another run.
        FormatError: If the checkpoint is damaged.
        FamilyMismatchError: If the checkpoint is of another family.
        DivergedTrainingError: If a loss or a weight is not finite. The last checkpoint is kept,
            and the statistics of the supernet are those before the step.

    Warns:
        UserWarning: The checkpoint was written with another number of threads or processes.
    """
    space = space or SearchSpace(supernet.family)
    settings = settings or TrainingSettings()
    _check(supernet, space)
    loop = Loop(supernet, recipe, space, settings, n_followed)
    loop.path = None if checkpoint is None else Path(checkpoint)
    loop.evaluate, loop.evaluate_every = evaluate, evaluate_every
    loop.checkpoint_every, loop.progress = checkpoint_every, progress
    loop.watch = Watch(callbacks or (), timeout)
    device = next(supernet.parameters()).device
    with _as_before(supernet), exchange(device) as loop.exchange:
        loop.run(loader)
    return loop.state.history


def _check(supernet: Supernet, space: SearchSpace) -> None:
    family = supernet.family
    if space.family != family:
        raise InvalidArgumentError(
            f"`space` must be of {family.name}, but got one of "
            f"{other_family(space.family, family)}."
        )
    least = family.total_stride
    if space.resolutions[0] < least:
        raise InvalidArgumentError(
            f"`space` must have resolutions of at least {least} pixels, the product of the "
            f"strides of {family.name}, but got {space.resolutions[0]}."
        )


@contextlib.contextmanager
def _as_before(supernet: Supernet) -> Iterator[None]:
    """Restore the mode and the active subnet of the supernet at the end, without gradients."""
    training, active = supernet.training, supernet.active
    try:
        yield
    finally:
        supernet.train(training).activate(active)
        supernet.zero_grad(set_to_none=True)
