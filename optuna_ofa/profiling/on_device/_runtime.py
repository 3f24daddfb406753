"""The protocol of a runtime that can be measured, and its settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

INT8 = "int8"  # the precision that needs separate graphs


class NodeTime(NamedTuple):
    """One operator of one run; the name begins with the index of its layer, ``"07/depth"``.

    Operators that a runtime adds (changes of memory layout) may have other names.
    """

    name: str
    ms: float


@dataclass(frozen=True, kw_only=True)
class RuntimeSettings:
    """Settings of a runtime.

    Args:
        threads: Threads of the runtime.
        batch: Batch size in images.
        precision: ``"float32"``, or another that the runtime offers; ``"int8"`` needs graphs that
            were written for it.
        device: ``"cpu"``, or another that the runtime offers.
        pin: Processors that the process is pinned to (Linux); empty pins it to none.
    """

    threads: int = 1
    batch: int = 1
    precision: str = "float32"
    device: str = "cpu"
    pin: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return what makes two measurements comparable, ready for JSON."""
        return {
            "threads": self.threads,
            "batch": self.batch,
            "precision": self.precision,
            "device": self.device,
            "pin": list(self.pin),
        }


class LoadedGraph(Protocol):
    """One loaded graph. Called by `measure_rounds`."""

    def run(self) -> float | None:
        """Run one inference on a built-in input; it is finished when the call returns.

        Returns:
            Milliseconds by the device's own clock; None to use the processor's.
        """

    def layer_times(self) -> list[list[NodeTime]]:
        """Return the operators of each run so far, in their order, and end the profile.

        Called once, and only for networks that were loaded with ``profile=True``.
        """


@runtime_checkable
class Runtime(Protocol):
    """A runtime of graphs. Its constructor takes `RuntimeSettings`.

    Attributes:
        name: Its name for users.
        suffix: Ending of the graph files that it loads.
        profiles: Whether it reports the time of each operator.
    """

    name: str
    suffix: str
    profiles: bool

    def versions(self) -> dict[str, str]:
        """Return versions of the packages that the latency depends on."""

    def load(self, path: Path, *, profile: bool = False) -> LoadedGraph:
        """Load a graph, ready to run; any exception is recorded as the reason of a failure."""


def require_float32(runtime: str, settings: RuntimeSettings, *others: str) -> None:
    """Raise an error if a runtime does not have the precision.

    Raises:
        ValueError: If the precision is neither float32 nor one of the others.
    """
    allowed = ("float32", *others)
    if settings.precision not in allowed:
        raise ValueError(
            f"`precision` must be one of {', '.join(allowed)} for {runtime}, but got "
            f"{settings.precision!r}."
        )


def require_cpu(runtime: str, settings: RuntimeSettings) -> None:
    """Raise an error if the device is not the processor.

    Raises:
        ValueError: If it is a different device.
    """
    if settings.device != "cpu":
        raise ValueError(f"`device` must be 'cpu' for {runtime}, but got {settings.device!r}.")
