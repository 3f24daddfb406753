"""Forward and backward passes of the runs of one step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optuna_ofa.supernet import Supernet, resize_images
from optuna_ofa.training._recipe import Run
from optuna_ofa.training._settings import TrainingSettings


class Runner:
    """The forward and backward passes of a supernet.

    Args:
        supernet: The supernet, in training mode.
        settings: The settings.
        scaler: Scales losses if gradients are in float16.
    """

    def __init__(
        self, supernet: Supernet, settings: TrainingSettings, scaler: torch.amp.GradScaler
    ) -> None:
        self._supernet = supernet
        self._settings = settings
        self._scaler = scaler
        weights = next(supernet.parameters())
        self._device, self._dtype = weights.device, weights.dtype

    def add_gradients(
        self, runs: Sequence[Run], images: Tensor, labels: Tensor, teacher: nn.Module | None
    ) -> Tensor:
        """Add the gradients of all runs for one batch to the existing ones.

        Returns:
            The mean loss of the runs, a scalar.
        """
        images = images.to(
            self._device, self._dtype, non_blocking=True, memory_format=torch.channels_last
        )
        labels = labels.to(self._device, non_blocking=True)
        views = _Views(images)
        frozen: dict[int, Tensor] = {}
        first: Tensor | None = None
        losses = []
        for run in runs:
            view = views[run.subnet.resolution]
            is_taught = run.teacher == "frozen" and run.soft_ratio > 0
            if is_taught and run.subnet.resolution not in frozen:
                assert teacher is not None
                frozen[run.subnet.resolution] = self._taught(teacher, view)
            taught = first if run.teacher == "first" else frozen.get(run.subnet.resolution)
            self._supernet.activate(run.subnet)
            with self._autocast():
                logits = self._supernet(view)
                loss = self._loss(run, logits, labels, taught)
            scaled: Tensor = self._scaler.scale(loss / self._settings.n_accumulated)
            scaled.backward()  # type: ignore[no-untyped-call]
            first = logits.detach() if first is None else first
            losses.append(loss.detach())
        return torch.stack(losses).mean()

    def _loss(self, run: Run, logits: Tensor, labels: Tensor, taught: Tensor | None) -> Tensor:
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        loss = logits.new_zeros((), dtype=torch.float32)
        if run.label_ratio:
            smoothing = self._settings.label_smoothing
            loss = loss + run.label_ratio * F.cross_entropy(
                logits, labels, label_smoothing=smoothing
            )
        if run.soft_ratio:
            assert taught is not None
            loss = loss + run.soft_ratio * F.cross_entropy(logits, taught.float().softmax(1))
        return loss

    def _taught(self, teacher: nn.Module, view: Tensor) -> Tensor:
        with torch.no_grad(), self._autocast():
            logits: Tensor = teacher(view)
        return logits

    def _autocast(self) -> torch.autocast:
        if self._settings.mixed_precision == "bfloat16":
            return torch.autocast(self._device.type, torch.bfloat16)
        return torch.autocast(self._device.type, torch.float16, enabled=self._scaler.is_enabled())


class _Views(dict[int, Tensor]):
    """A batch of images, resized once per resolution."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self._images = images

    def __missing__(self, resolution: int) -> Tensor:
        self[resolution] = resize_images(self._images, resolution)
        return self[resolution]
