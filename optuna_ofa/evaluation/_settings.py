"""Settings for evaluating accuracies."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from optuna_ofa._arguments import Positive, Text, check_fields
from optuna_ofa.evaluation._calibration import Calibration
from optuna_ofa.evaluation._images import Loader
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import Family


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluationSettings:
    """Settings for evaluating accuracies.

    Args:
        calibration: The images for the batch-normalisation statistics: a tensor of training
            images (without augmentation) from `take_images`, so that every call and every subnet
            uses the same ones. Or a loader, whose first images are taken when first needed and
            kept with the settings; or a function of a resolution that returns a loader, for
            images that are cropped, which is read again for each resolution. None keeps the
            supernet's statistics, which are not valid for any subnet: accuracies are then often
            no better than chance.
        n_calibration: Number of images to use, from the first on. Fewer than 32 cause a warning.
        data: A label for the evaluated images, which is stored with each measurement. It is not
            part of their identity: images are identified by their content.
        device: The device that subnets run on.
        processes: Number of processes to evaluate in. They are spawned, so the script needs an
            ``if __name__ == "__main__":`` guard, and the loader must be picklable.

    Raises:
        InvalidArgumentError: If a number is not positive or the device is not available.
    """

    calibration: Loader | Tensor | None
    n_calibration: Positive = 2000
    data: Text | None = None
    device: str | torch.device = "cpu"
    processes: Positive = 1
    _taken: dict[Family, Calibration] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)
        _check_device(self.device)

    def images_of(self, family: Family) -> Calibration:
        """Return the calibration images of a family, the same in every call."""
        if family not in self._taken:
            self._taken[family] = Calibration(self.calibration, family, self.n_calibration)
        return self._taken[family]


def _check_device(device: str | torch.device) -> None:
    reason = "which keeps no numbers"
    try:
        found = torch.device(device)
        if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
            reason = f"and torch {torch.__version__} finds {torch.cuda.device_count()} CUDA devices"
        elif found.type == "cuda" or torch.empty(0, device=found).device.type != "meta":
            return
    except (RuntimeError, TypeError, NotImplementedError, AssertionError) as error:
        reason = f"and torch says: {str(error).splitlines()[0]}"
    raise InvalidArgumentError(
        f"`device` must be one that torch has here, such as 'cpu', but got {str(device)!r}, "
        f"{reason}."
    )
