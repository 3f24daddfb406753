"""A meter of the memory that a network needs on a microcontroller."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Literal

import optuna

from optuna_ofa._arguments import checked
from optuna_ofa.costs import KILOBYTE
from optuna_ofa.evaluation import (
    LITERT_INT8,
    EvaluationSettings,
    converter_versions,
    litert_file,
    require_packages,
    weights_hash,
)
from optuna_ofa.exceptions import FamilyMismatchError, InvalidArgumentError
from optuna_ofa.executors import Executor
from optuna_ofa.graphs import (
    N_QUANTIZED,
    arena_of,
    build_net,
    example_input,
    quantized_litert_of_net,
    read_litert,
    require_micro_operators,
    tflite_micro_version,
)
from optuna_ofa.space import Matrix, SearchSpace, Subnet, other_family, subnet_layers
from optuna_ofa.supernet import Supernet, resize_images
from optuna_ofa.verification._function_meter import FunctionMeter
from optuna_ofa.verification._meter import Meter, Readings

MicroMetric = Literal["sram_kb", "flash_kb"]
_RUNTIME = "tflite-micro"
_N_RANDOM = 2  # images, whose ranges do not matter


class MicroMeter(FunctionMeter):
    """A meter of the memory of a microcontroller, of the file ``export(format="litert_int8")``.

    ``"sram_kb"`` is the tensor arena that TFLite Micro's own interpreter reports on this machine,
    and ``"flash_kb"`` the size of the file, both in units of 1,024 bytes. The program, its stack
    and its buffers come on top, and other runtimes need other arenas. With the 64-bit pointers of
    this machine the arena is larger than on a microcontroller.

    Args:
        metric: ``"sram_kb"`` or ``"flash_kb"``.
        supernet: The supernet; None measures networks with random weights, whose arena is the
            same, and whose file is as large but for a few bytes.
        settings: The calibration images; its runtime and precision do not matter. Meters with the
            same settings share the files, also an `AccuracyMeter` of LiteRT in INT8. None without
            a supernet.

    Raises:
        InvalidArgumentError: If the metric is another one, there are no calibration images, or
            settings without a supernet.
    """

    precision: str | None = "int8"

    @checked
    def __init__(
        self,
        metric: MicroMetric,
        supernet: Supernet | None = None,
        settings: EvaluationSettings | None = None,
    ) -> None:
        super().__init__(metric, self.__call__)
        if (supernet is None) != (settings is None):
            raise InvalidArgumentError(
                f"`settings` must be EvaluationSettings with a `supernet`, and None without one, "
                f"but got {settings!r}."
            )
        self.metric: str = metric
        self._supernet = supernet
        self._measured_by: Mapping[str, Any] = {}
        self._settings = None if settings is None else settings.computing("litert", "int8")

    def measure(self, space: SearchSpace, matrix: Matrix, storage: optuna.Study | None) -> Readings:
        """Measure those subnets that were not measured yet, in this process."""
        if self._supernet is not None and space.family != self._supernet.family:
            raise FamilyMismatchError(
                f"`measure[{self.metric!r}]` must have a supernet of {space.family.name}, but it "
                f"is of {other_family(self._supernet.family, space.family)}."
            )
        facts = self._facts()
        if facts != self._measured_by:  # such as weights that were trained further
            self._known.clear()
        self._measured_by = facts
        return super().measure(space, matrix, storage)

    def on(self, executor: Executor, *, progress: bool | None = False) -> Meter:
        """Return this meter, which measures here: its files may be there already."""
        return self

    def _facts(self) -> Mapping[str, Any]:
        """Return everything except the subnet that the values depend on."""
        require_micro_packages()
        versions = {_RUNTIME: tflite_micro_version(), **converter_versions(LITERT_INT8)}
        return {
            **self._weights(),
            "runtime": _RUNTIME,
            "precision": "int8",
            "n_quantized": N_QUANTIZED,
            "pointer_bits": 8 * struct.calcsize("P"),
            "versions": versions,
        }

    def _weights(self) -> Mapping[str, Any]:
        if self._supernet is None or self._settings is None:
            return {"weights": "random"}
        calibration = self._settings.images_of(self._supernet.family).setup
        return {"weights": weights_hash(self._supernet), "calibration": calibration}

    def _setup(self, storage: optuna.Study) -> Mapping[str, Any]:
        return self._facts()

    def __call__(self, subnet: Subnet) -> float:
        """Return the value of one subnet, in units of 1,024 bytes.

        Raises:
            InvalidArgumentError: If TFLite Micro lacks an operator of its file.
            FormatError: If TFLite Micro cannot run its file for another reason.
        """
        content = self._file(subnet)
        if self.metric == "flash_kb":
            return len(content) / KILOBYTE
        require_micro_operators(read_litert(content).operators, "subnet")
        return arena_of(content).total / KILOBYTE

    def _file(self, subnet: Subnet) -> bytes:
        supernet, settings = self._supernet, self._settings
        if supernet is None or settings is None:
            return _random_file(subnet)
        images = settings.images_of(supernet.family)(subnet.resolution)
        if images is not None:
            images = resize_images(images, subnet.resolution)
        return litert_file(supernet, subnet, images, LITERT_INT8, settings.converted(supernet))


def require_micro_packages() -> None:
    """Refuse to measure where a package is not installed that converts or runs a network.

    Raises:
        MissingDependencyError: If one is not.
    """
    require_packages(LITERT_INT8)
    tflite_micro_version()


def _random_file(subnet: Subnet) -> bytes:
    layers = subnet_layers(subnet)
    net = build_net(layers, fold=True)
    return quantized_litert_of_net(net, layers, example_input(layers, _N_RANDOM))
