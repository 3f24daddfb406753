"""A meter of the memory that a network needs on a microcontroller."""

from __future__ import annotations

import platform
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import optuna
from torch import Tensor

from optuna_ofa._arguments import checked
from optuna_ofa.costs import KILOBYTE
from optuna_ofa.evaluation import (
    LITERT_INT8,
    Calibration,
    Converted,
    EvaluationSettings,
    converter_versions,
    litert_file,
    require_packages,
    supernet_at,
    tensor_at,
    weights_hash,
    write_supernet,
    write_tensor,
)
from optuna_ofa.exceptions import FamilyMismatchError, InvalidArgumentError
from optuna_ofa.executors import Executor, Reference, Shared, keep_memory
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
from optuna_ofa.verification._call import Call, Outcome
from optuna_ofa.verification._function_meter import FunctionMeter
from optuna_ofa.verification._meter import Readings

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
        """Measure those subnets that were not measured yet."""
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

    def _calls_on(
        self, executor: Executor, calls: Iterator[Call], shared: Shared | None = None
    ) -> Iterator[tuple[int, Outcome]]:
        """Convert and measure on workers, which get the supernet and the images once."""
        with Shared() as shared:
            functions = _Functions(self.metric, self._supernet, self._settings, shared)
            sent = (call._replace(function=functions.of(call.subnet)) for call in calls)
            yield from super()._calls_on(executor, sent, shared)

    def _facts(self) -> Mapping[str, Any]:
        """Return everything except the subnet that the values depend on."""
        return {
            **self._weights(),
            "runtime": _RUNTIME,
            "precision": "int8",
            "n_quantized": N_QUANTIZED,
            **_facts_here(),
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
        return _value(self.metric, self._file(subnet))

    def _file(self, subnet: Subnet) -> bytes:
        supernet, settings = self._supernet, self._settings
        if supernet is None or settings is None:
            return _random_file(subnet)
        images = settings.images_of(supernet.family)(subnet.resolution)
        return _file_of(supernet, subnet, images, settings.converted(supernet))


@dataclass(frozen=True)
class _OnWorker:
    """The function of a meter in a worker: where it finds the supernet and the images.

    Args:
        metric: The metric.
        facts: Those of the caller.
        supernet: The supernet; None for random weights.
        images: The calibration images; None for none.
        converted: The files that are there already.
    """

    metric: str
    facts: Mapping[str, Any]
    supernet: Reference | None = None
    images: Reference | None = None
    converted: Converted | None = None

    def __call__(self, subnet: Subnet) -> float:
        """Return the value of a subnet.

        Raises:
            InvalidArgumentError: If this worker has other packages than the caller.
        """
        here = _facts_here()
        if here != self.facts:
            raise InvalidArgumentError(
                f"Workers of `executor` must have the packages and the word size of this process, "
                f"{self.facts}, but {platform.node()} has {here}."
            )
        if self.supernet is None:
            return _value(self.metric, _random_file(subnet))
        keep_memory()
        supernet, images = supernet_at(self.supernet), tensor_at(self.images)
        return _value(self.metric, _file_of(supernet, subnet, images, self.converted))


class _Functions:
    """Makes the functions of workers, which differ in the calibration images."""

    def __init__(
        self,
        metric: str,
        supernet: Supernet | None,
        settings: EvaluationSettings | None,
        shared: Shared,
    ) -> None:
        self._shared, self._images = shared, dict[int, Reference | None]()
        self._calibration: Calibration | None = None
        self._function = _OnWorker(metric, _facts_here())
        if supernet is not None and settings is not None:
            self._calibration = settings.images_of(supernet.family)
            self._function = replace(
                self._function,
                supernet=shared.put(lambda file: write_supernet(supernet, file)),
                converted=settings.converted(supernet),
            )

    def of(self, subnet: Subnet) -> _OnWorker:
        """Return the function for a subnet."""
        if self._calibration is None:
            return self._function
        resolution = subnet.resolution
        if resolution not in self._images:
            images = self._calibration(resolution)
            self._images[resolution] = (
                None if images is None else self._shared.put(partial(write_tensor, images))
            )
        return replace(self._function, images=self._images[resolution])


def _facts_here() -> dict[str, Any]:
    """Return what the values depend on in this process."""
    require_micro_packages()
    versions = {_RUNTIME: tflite_micro_version(), **converter_versions(LITERT_INT8)}
    return {"pointer_bits": 8 * struct.calcsize("P"), "versions": versions}


def _value(metric: str, content: bytes) -> float:
    if metric == "flash_kb":
        return len(content) / KILOBYTE
    require_micro_operators(read_litert(content).operators, "subnet")
    return arena_of(content).total / KILOBYTE


def _file_of(
    supernet: Supernet, subnet: Subnet, images: Tensor | None, converted: Converted | None
) -> bytes:
    if images is not None:
        images = resize_images(images, subnet.resolution)
    return litert_file(supernet, subnet, images, LITERT_INT8, converted)


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
