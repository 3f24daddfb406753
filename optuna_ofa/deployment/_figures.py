"""Values of a subnet that are written beside its export."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from optuna_ofa._arguments import Text, checked
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import FrontPoint
from optuna_ofa.problem import MEASURED, METRICS, PREDICTED, Metric
from optuna_ofa.space import Subnet

# the conditions of a file that a value depends on; None (unknown) matches any
_DEPENDS = {
    "top1": ("precision", "resolution"),
    "latency_ms": ("precision", "runtime", "resolution", "batch"),
    "n_macs": ("resolution",),
    "n_params": (),
    "moved_mb": ("precision", "resolution"),
    "peak_memory_mb": ("precision", "resolution"),
    "sram_kb": ("precision", "runtime", "resolution"),
    "flash_kb": ("precision", "runtime"),
}
# precision and runtime of metrics that are those of one kind of file
_FIXED = {"sram_kb": ("int8", "tflite-micro"), "flash_kb": ("int8", "tflite-micro")}
_OWN_DEPENDS = ("precision", "runtime", "resolution", "batch")  # for any other metric


@dataclass(frozen=True)
class KnownValue:
    """A predicted or measured value of a subnet, for the file beside an export.

    It records the conditions that it was measured or predicted for; `export` lists values that
    apply to the file separately from those that do not.

    Args:
        metric: The metric, such as ``"top1"`` (percent) or ``"latency_ms"``.
        value: The value, in the unit of the metric.
        kind: ``"predicted"`` or ``"measured"``.
        device: The device that it is for; None if it does not depend on one.
        std: Its standard deviation, in the same unit, if known.
        precision: Number format of the network: ``"float32"``, ``"int8"`` and so on.
        runtime: The runtime, such as ``"onnxruntime"``; None if unknown.
        resolution: Size of the images in pixels; None if unknown.
        batch: Images at once, for a latency; None if unknown.
        subnet: The subnet; None means the exported one.
        n_images: Images that an accuracy was measured on; None if unknown.
        extrapolated: Whether a prediction is far from what its predictor was fitted on; None if
            unknown or measured.
        unit: The unit of the metric; None takes that of a built-in metric, or no unit.

    Raises:
        InvalidArgumentError: If the metric is not built in and has no unit, the kind is unknown,
            or the value is not finite.
    """

    metric: str
    value: float
    kind: str
    device: str | None = None
    std: float | None = None
    precision: str = "float32"
    runtime: str | None = None
    resolution: int | None = None
    batch: int | None = None
    subnet: Subnet | None = None
    n_images: int | None = None
    extrapolated: bool | None = None
    unit: str | None = None

    def __post_init__(self) -> None:
        if self.unit is None and self.metric in METRICS:
            object.__setattr__(self, "unit", METRICS[self.metric].unit)
        metrics = (*METRICS, *([] if self.unit is None else [self.metric]))
        for argument, known in (("metric", metrics), ("kind", (PREDICTED, MEASURED))):
            given = getattr(self, argument)
            if given not in known:
                raise InvalidArgumentError(
                    f"`{argument}` must be one of {', '.join(known)}, but got {given!r}."
                )
        if not math.isfinite(self.value):
            raise InvalidArgumentError(f"`value` must be finite, but got {self.value!r}.")

    def differences(self, file: Mapping[str, Any]) -> list[str]:
        """Return the conditions that differ from a file's: ``["precision"]``; empty if it fits.

        Args:
            file: ``precision``, ``runtimes``, ``resolution`` and ``batch`` of the file; a batch
                of None means any number.
        """
        found = []
        conditions = _DEPENDS.get(self.metric, _OWN_DEPENDS)
        if self.metric == "top1" and self.precision == "int8":
            conditions = (*conditions, "runtime")  # each has its own way to quantise
        for condition in conditions:
            mine = getattr(self, condition)
            if condition == "runtime":
                fits = mine is None or mine in file["runtimes"]
            else:
                fits = mine is None or file[condition] in (None, mine)
            if not fits:
                found.append(condition)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the value as it is written in the metadata of an export, without the subnet."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "subnet"}


def value_in_words(figure: Mapping[str, Any]) -> str:
    """Return the value of `KnownValue.to_dict` with its standard deviation and unit."""
    name, unit = figure["metric"], figure.get("unit") or ""
    metric = METRICS.get(name) or Metric(name, unit=unit, direction="minimize")
    return metric.text(figure["value"], figure["std"])


@checked
def figures_of(
    point: FrontPoint,
    *,
    device: Text | None = None,
    runtime: Text | None = None,
    precision: Text | None = None,
) -> tuple[KnownValue, ...]:
    """Return the values of a point of a front, with what they were measured or predicted for.

    Measured values of constrained metrics are among them (`FrontPoint.limited`).

    Args:
        point: The point.
        device: The device that its latency is for; None takes the point's.
        runtime: The runtime that its latency is for; None takes the point's.
        precision: Number format of the network; None takes the point's, or else ``"float32"``.
            ``sram_kb`` and ``flash_kb`` are always those of an INT8 file.
    """
    return tuple(
        _known_value(point, name, device=device, runtime=runtime, precision=precision)
        for name in (*point.values, *point.limited)
    )


def _known_value(
    point: FrontPoint,
    metric: str,
    *,
    device: str | None,
    runtime: str | None,
    precision: str | None,
) -> KnownValue:
    origin = point.origin.get(metric, {})
    settings = origin.get("settings")
    known = {**origin, **(settings if isinstance(settings, Mapping) else {})}
    far = point.extrapolated if point.kind == PREDICTED else None
    is_extrapolated = None if far is None else metric in far
    is_latency = metric == "latency_ms" or not point.metrics[metric].is_built_in
    number = precision or str(known.get("precision") or "float32")
    runtime = (runtime or known.get("runtime")) if is_latency else known.get("runtime")
    number, runtime = _FIXED.get(metric, (number, runtime))
    return KnownValue(
        metric,
        point.values[metric] if metric in point.values else point.limited[metric],
        point.kind,
        device=(device or _device_of(known)) if is_latency else None,
        std=point.std.get(metric),
        precision=number,
        runtime=runtime,
        resolution=point.subnet.resolution,
        batch=known.get("batch") if is_latency else None,
        subnet=point.subnet,
        n_images=point.n_images.get(metric),
        extrapolated=is_extrapolated,
        unit=point.metrics[metric].unit,
    )


def _device_of(known: Mapping[str, Any]) -> str | None:
    """Return the device of a setup: its processor, and the kind if it is not a CPU."""
    device, processor = known.get("device"), known.get("processor")
    parts = [str(device)] if device not in (None, "cpu") else []
    parts += [str(processor)] if processor else []
    return ", ".join(parts) or device
