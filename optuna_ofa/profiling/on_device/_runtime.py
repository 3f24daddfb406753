"""What a runtime has to be able to do to be measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

INT8 = "int8"  # the precision that needs graphs of its own


class NodeTime(NamedTuple):
    """One operator of one run; the name begins with the index of its layer, ``"07/depth"``.

    Operators that a runtime adds (changes of memory layout) may have other names.
    """

    name: str
    ms: float


@dataclass(frozen=True)
class Settings:
    """How networks are run.

    Args:
        threads: Threads of the runtime.
        batch: Images at once.
        precision: ``"float32"``, or what else the runtime offers; ``"int8"`` needs graphs that
            were written for it.
        device: ``"cpu"``, or what else the runtime offers.
        pin: Processors that the process keeps to (Linux); none leaves it free.
    """

    threads: int = 1
    batch: int = 1
    precision: str = "float32"
    device: str = "cpu"
    pin: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """JSON-ready; what makes two measurements comparable."""
        return {
            "threads": self.threads,
            "batch": self.batch,
            "precision": self.precision,
            "device": self.device,
            "pin": list(self.pin),
        }


class Network(Protocol):
    """One loaded graph. Called by `measure_rounds`."""

    def run(self) -> float | None:
        """One inference on an input of its own, finished when it returns.

        Returns:
            Milliseconds by the device's own clock, None where the processor's is right.
        """

    def layer_times(self) -> list[list[NodeTime]]:
        """The operators of each run so far, in their order, and the end of the profile.

        Called once, and only for networks that were loaded with ``profile=True``.
        """


class Runtime(Protocol):
    """One way to run graphs. Its constructor takes `Settings`.

    Attributes:
        name: How users call it.
        suffix: Ending of the graph files that it loads.
        profiles: Whether it can tell the time of each operator.
    """

    name: str
    suffix: str
    profiles: bool

    def versions(self) -> dict[str, str]:
        """Versions of what the latency depends on, by package."""

    def load(self, path: Path, *, profile: bool = False) -> Network:
        """Load a graph, ready to run; whatever it raises is the reason why it failed."""


def require_float32(runtime: str, settings: Settings, *others: str) -> None:
    """Refuse a precision or a device that a runtime does not have.

    Raises:
        ValueError: With those that it has.
    """
    allowed = ("float32", *others)
    if settings.precision not in allowed:
        raise ValueError(
            f"`precision` must be one of {', '.join(allowed)} for {runtime}, but got "
            f"{settings.precision!r}."
        )


def require_cpu(runtime: str, settings: Settings) -> None:
    """Refuse any other device.

    Raises:
        ValueError: If there is one.
    """
    if settings.device != "cpu":
        raise ValueError(f"`device` must be 'cpu' for {runtime}, but got {settings.device!r}.")
