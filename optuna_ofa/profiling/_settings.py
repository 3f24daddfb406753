"""Settings of measuring latencies."""

from __future__ import annotations

import os
from dataclasses import dataclass

from optuna_ofa._arguments import Count, Positive, PositiveFloat, Text, check_fields
from optuna_ofa._imports import try_import
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.profiling._runtimes import MODULES, RUNTIMES
from optuna_ofa.profiling.on_device import Runtime, RuntimeSettings


@dataclass(frozen=True, kw_only=True)
class MeasurementSettings(RuntimeSettings):
    """Settings of measuring latencies, the same for tables and whole subnets.

    Args:
        runtime: ``"onnxruntime"``, ``"openvino"``, ``"torch"``, ``"executorch"``, ``"litert"``, or
            your own object (`optuna_ofa.profiling.Runtime`).
        threads: Threads of the runtime. Above one, latencies are by the wall clock.
        batch: Batch size in images; latencies are of the whole batch.
        precision: ``"float32"``; ``"int8"`` (statically quantised) for ONNX Runtime, OpenVINO and
            LiteRT; ``"float16"`` and ``"bfloat16"`` for OpenVINO, as hints, and torch.
        device: ``"cpu"``, or another one that the runtime offers.
        pin: Processors that the process is pinned to (Linux); empty pins it to none.
        n_rounds: Rounds of the interleaved measurement.
        max_spread: Largest relative standard deviation of a round that is accepted: on a noisier
            device `profile` raises an error, and `measure` warns.

    Raises:
        InvalidArgumentError: If the runtime is unknown or a number is out of its range.
    """

    runtime: str | Runtime = "onnxruntime"
    threads: Positive = 1
    batch: Positive = 1
    precision: Text = "float32"
    device: Text = "cpu"
    pin: tuple[Count, ...] = ()
    n_rounds: Positive = 20
    max_spread: PositiveFloat = 0.1

    def __post_init__(self) -> None:
        check_fields(self)
        if isinstance(self.runtime, str) and self.runtime not in RUNTIMES:
            raise InvalidArgumentError(
                f"`runtime` must be one of {', '.join(RUNTIMES)}, or an object that loads and runs "
                f"graphs, but got {self.runtime!r}."
            )

    @property
    def graph_suffix(self) -> str:
        """Ending of the graph files that the runtime loads; it need not be installed."""
        return str(getattr(self._kind, "suffix", ""))

    @property
    def profiles(self) -> bool:
        """True where the runtime times each operator; it need not be installed."""
        return bool(getattr(self._kind, "profiles", False))

    @property
    def _kind(self) -> object:
        return RUNTIMES[self.runtime] if isinstance(self.runtime, str) else self.runtime

    def _require_processors(self) -> None:
        """Refuse processors that this process may not use."""
        if self.pin and hasattr(os, "sched_getaffinity"):
            known = sorted(os.sched_getaffinity(0))
            if not set(self.pin) <= {*known}:
                raise InvalidArgumentError(
                    f"`pin` must be among the processors of this process, {known}, but got "
                    f"{list(self.pin)}."
                )

    def open_runtime(self) -> Runtime:
        """Return the runtime with these settings.

        Raises:
            InvalidArgumentError: If it does not offer the settings.
            MissingDependencyError: If it is not installed; names the extra.
        """
        if not isinstance(self.runtime, str):
            return self.runtime
        self._require_processors()
        try_import(MODULES.get(self.runtime, self.runtime), extra=self.runtime).check()
        try:
            return RUNTIMES[self.runtime](self)
        except ValueError as error:
            raise InvalidArgumentError(str(error)) from error
