"""Settings for evaluating accuracies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Literal

from torch import Tensor

from optuna_ofa._arguments import Percent, Positive, Text, check_fields
from optuna_ofa._rules import Rule
from optuna_ofa.evaluation._calibration import Calibration
from optuna_ofa.evaluation._device import Device, check_device
from optuna_ofa.evaluation._images import Loader
from optuna_ofa.evaluation._int8 import INT8
from optuna_ofa.evaluation._recalibrate import type_of
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import Family
from optuna_ofa.supernet import Supernet

Precision = Literal["float32", "int8"]

Rungs = Annotated[
    Sequence[Positive], Rule("increasing", lambda rungs: all(a < b for a, b in pairwise(rungs)))
]


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
        worker: A label of who evaluates, which is stored with each measurement; None is the name
            in the network of the machine that did. It is not part of their identity either.
        device: The device that subnets run on. ``"auto"`` is the CUDA device with the number of
            the worker (counted on each host from 0) modulo the number of those it sees, and the
            CPU where it sees none. Or a function of that number that returns a device.
        rungs: Numbers of images after which subnets may stop early where they race
            (`optuna_ofa.evaluate` with ``costs``, an `AccuracyMeter` with ``race``), increasing.
        tolerance: The share of the hypervolume of the front, in percent, that the early stops of a
            race may cost in expectation. 0 stops only subnets that are dominated with a confidence
            of 99 %.
        processes: Number of processes on this machine to evaluate in, which share torch's
            threads. They are spawned, so the script needs an ``if __name__ == "__main__":`` guard,
            and the loader must be picklable: a function at the top of a module, for example. Not
            together with an ``executor``.
        precision: ``"int8"`` evaluates the network of ``export(..., format="onnx_int8")``,
            statically quantised and run by ONNX Runtime on the CPU; the first 200 calibration
            images determine the ranges of its activations. ``"float32"``, or None for the type
            of the supernet's weights, evaluates it in torch.

    Raises:
        InvalidArgumentError: If a number is not positive, the device is not available or not the
            CPU for ``"int8"``, or there are no calibration images for ``"int8"``.
    """

    calibration: Loader | Tensor | None
    n_calibration: Positive = 2000
    data: Text | None = None
    worker: Text | None = None
    device: Device = "cpu"
    rungs: Rungs = (500, 2_000)
    tolerance: Percent = 0.5
    processes: Positive = 1
    precision: Precision | None = None
    _taken: dict[Family, Calibration] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)
        if self.precision == INT8:
            self._check_int8()
        check_device(self.device)

    def precision_of(self, supernet: Supernet) -> str:
        """Return the number format that subnets of a supernet are evaluated in.

        Raises:
            InvalidArgumentError: If it is ``"float32"`` and the weights are of another type.
        """
        own = str(type_of(supernet)).removeprefix("torch.")
        if self.precision not in (None, INT8, own):
            raise InvalidArgumentError(
                f"`precision` must be 'int8', or None for the weights of `supernet`, which are "
                f"{own}, but got {self.precision!r}."
            )
        return self.precision or own

    def _check_int8(self) -> None:
        if self.calibration is None:
            raise InvalidArgumentError(
                "`calibration` must be training images for the precision 'int8', whose ranges they "
                "determine, but got None."
            )
        if str(self.device) not in ("cpu", "cpu:0"):
            raise InvalidArgumentError(
                f"`device` must be 'cpu' for the precision 'int8', which ONNX Runtime computes, "
                f"but got {str(self.device)!r}."
            )

    def images_of(self, family: Family) -> Calibration:
        """Return the calibration images of a family, the same in every call."""
        if family not in self._taken:
            self._taken[family] = Calibration(self.calibration, family, self.n_calibration)
        return self._taken[family]
