"""Settings for evaluating accuracies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Annotated

from torch import Tensor

from optuna_ofa._arguments import Percent, Positive, Text, check_fields
from optuna_ofa._rules import Rule
from optuna_ofa.evaluation._calibration import Calibration
from optuna_ofa.evaluation._computation import (
    INT8,
    LITERT,
    ONNXRUNTIME,
    TORCH,
    Computation,
    Precision,
    Runtime,
)
from optuna_ofa.evaluation._converted import Converted, ConvertedFolder
from optuna_ofa.evaluation._device import Device, check_device
from optuna_ofa.evaluation._identity import weights_hash
from optuna_ofa.evaluation._images import Loader
from optuna_ofa.evaluation._recalibrate import type_of
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import Family
from optuna_ofa.supernet import Supernet

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
        precision: ``"float32"``, or ``"int8"`` for the statically quantised network, whose ranges
            of activations the first 200 calibration images determine. None is the type of the
            supernet's weights in torch, and ``"float32"`` in the other runtimes.
        runtime: ``"torch"`` evaluates the network in torch, and ``"onnxruntime"`` and ``"litert"``
            the file that `export` writes for them (formats ``"onnx"``, ``"onnx_int8"``,
            ``"litert"``, ``"litert_int8"``), on the CPU. None is torch, or ONNX Runtime for
            ``"int8"``. The files of LiteRT, which take seconds each, are kept with the settings
            in a temporary folder, the last ones up to 256 MB.

    Raises:
        InvalidArgumentError: If a number is not positive, the device is not available or not the
            CPU for another runtime than torch, there are no calibration images for ``"int8"``, or
            the runtime does not have the precision.
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
    runtime: Runtime | None = None
    _taken: dict[Family, Calibration] = field(init=False, repr=False, default_factory=dict)
    _files: ConvertedFolder = field(init=False, repr=False, default_factory=ConvertedFolder)

    def __post_init__(self) -> None:
        check_fields(self)
        self._check_computation()
        check_device(self.device)

    def computing(self, runtime: Runtime | None, precision: Precision | None) -> EvaluationSettings:
        """Return these settings with another runtime or precision, and the same images and files.

        Args:
            runtime: The runtime; None keeps it.
            precision: The precision; None keeps it.
        """
        other = replace(
            self, runtime=runtime or self.runtime, precision=precision or self.precision
        )
        object.__setattr__(other, "_taken", self._taken)
        object.__setattr__(other, "_files", self._files)
        return other

    def computation_of(self, supernet: Supernet) -> Computation:
        """Return what computes the accuracies of subnets of a supernet.

        Raises:
            InvalidArgumentError: If it is torch in ``"float32"`` and the weights are of another
                type.
        """
        if self._runtime != TORCH:
            return Computation(self._runtime, self.precision or "float32")
        own = str(type_of(supernet)).removeprefix("torch.")
        if self.precision not in (None, own):
            raise InvalidArgumentError(
                f"`precision` must be 'int8', or None for the weights of `supernet`, which are "
                f"{own}, but got {self.precision!r}."
            )
        return Computation(TORCH, own)

    @property
    def _runtime(self) -> str:
        """The runtime, which the precision determines if none is given."""
        return self.runtime or (ONNXRUNTIME if self.precision == INT8 else TORCH)

    def _check_computation(self) -> None:
        if self.precision == INT8 and self.calibration is None:
            raise InvalidArgumentError(
                "`calibration` must be training images for the precision 'int8', whose ranges they "
                "determine, but got None."
            )
        if self.precision == INT8 and self.runtime == TORCH:
            raise InvalidArgumentError(
                f"`runtime` must be {ONNXRUNTIME!r} or {LITERT!r} for the precision 'int8', but "
                f"got {TORCH!r}."
            )
        if self._runtime != TORCH and str(self.device) not in ("cpu", "cpu:0"):
            what = f"precision {INT8!r}" if self.precision == INT8 else f"runtime {self._runtime!r}"
            raise InvalidArgumentError(
                f"`device` must be 'cpu' for the {what}, but got {str(self.device)!r}."
            )

    def converted(self, supernet: Supernet) -> Converted:
        """Return the converted networks of a supernet, recalibrated with these images."""
        images = self.images_of(supernet.family).setup
        return self._files.of(f"{weights_hash(supernet)} {images}")

    def images_of(self, family: Family) -> Calibration:
        """Return the calibration images of a family, the same in every call."""
        if family not in self._taken:
            self._taken[family] = Calibration(self.calibration, family, self.n_calibration)
        return self._taken[family]
