"""Settings of evaluating accuracies."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from optuna_ofa.evaluation._images import Loader
from optuna_ofa.exceptions import InvalidArgumentError


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluationSettings:
    """Settings of evaluating accuracies.

    Args:
        calibration: The images for the statistics of batch normalisation: a loader of training
            images (without their augmentation), a function of a resolution that returns one, or
            a tensor of images. None keeps the supernet's statistics, which are right for no
            subnet: accuracies are then often no better than a guess.
        n_calibration: Number of its first images that are used.
        data: A name for the evaluated and the calibration images, which stands for them in the
            database: the same name promises the same images. None computes a hash of all images,
            labels and calibration images, which costs a pass over the loader.
        device: The device that subnets run on.
        processes: Evaluate in so many processes, started anew: the script needs an
            ``if __name__ == "__main__":``, and the loader must be picklable.

    Raises:
        InvalidArgumentError: If a number is not positive or torch has no such device.
    """

    calibration: Loader | Tensor | None
    n_calibration: int = 2000
    data: str | None = None
    device: str | torch.device = "cpu"
    processes: int = 1

    def __post_init__(self) -> None:
        for name in ("n_calibration", "processes"):
            if getattr(self, name) < 1:
                raise InvalidArgumentError(
                    f"`{name}` must be positive, but got {getattr(self, name)!r}."
                )
        try:
            torch.device(self.device)
        except RuntimeError as error:
            raise InvalidArgumentError(
                f"`device` must be one that torch has, such as 'cpu' or 'cuda', but got "
                f"{self.device!r}."
            ) from error
