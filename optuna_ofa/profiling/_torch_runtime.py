"""Torch in eager mode, on the processor or on a CUDA device."""

from __future__ import annotations

import ctypes
import sys
import time
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from optuna_ofa.graphs import SUFFIX, build_net, example_input, read_layers
from optuna_ofa.profiling.on_device import LoadedGraph, NodeTime, RuntimeSettings, require_float32

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


class TorchEager:
    """Torch in eager mode, channels last, batch normalisation not folded.

    On a CUDA device every run is synchronised and timed by CUDA events.

    Args:
        settings: ``device`` is ``"cpu"`` or what `torch.device` takes; ``precision`` is
            ``"float32"``, ``"float16"`` or ``"bfloat16"``.

    Raises:
        ValueError: If a setting is not offered, or there is no such device.
    """

    name = "torch"
    suffix = SUFFIX
    profiles = True

    def __init__(self, settings: RuntimeSettings) -> None:
        require_float32(self.name, settings, "float16", "bfloat16")
        try:
            self._device = torch.device(settings.device)
        except RuntimeError as error:
            raise ValueError(
                f"`device` must be one that torch has, such as 'cpu' or 'cuda', but got "
                f"{settings.device!r}."
            ) from error
        n_devices = torch.cuda.device_count()
        if self._device.type == "cuda" and (self._device.index or 0) >= n_devices:
            raise ValueError(
                f"`device` must be 'cpu' or a CUDA device that is here, of which torch "
                f"{torch.__version__} finds {n_devices}, but got {settings.device!r}."
            )
        self._dtype: torch.dtype = getattr(torch, settings.precision)
        torch.set_num_threads(settings.threads)
        _keep_freed_memory()

    def versions(self) -> dict[str, str]:
        """Return the version of torch, and the CUDA device where there is one."""
        versions = {"torch": str(torch.__version__)}
        if self._device.type == "cuda":
            versions["cuda"] = str(torch.version.cuda)
            versions["gpu"] = torch.cuda.get_device_name(self._device)
        return versions

    def load(self, path: Path, *, profile: bool = False) -> LoadedGraph:
        """Build the network of a file."""
        layers, batch = read_layers(path)
        net = build_net(layers).to(self._device, self._dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        x = example_input(layers, batch).to(self._device, self._dtype)
        x = x.to(memory_format=torch.channels_last)
        return (_CudaNet if self._device.type == "cuda" else _CpuNet)(net, x, profile)


class _CpuNet:
    def __init__(self, net: nn.Sequential, x: Tensor, profile: bool) -> None:
        self._net, self._x, self._profile = net, x, profile
        self._runs: list[list[NodeTime]] = []

    @torch.inference_mode()
    def run(self) -> float | None:
        if not self._profile:
            self._net(self._x)
            return None
        stamps, x = [time.process_time_ns()], self._x
        for layer in self._net:
            x = layer(x)
            stamps.append(time.process_time_ns())
        self._runs.append(_named([(b - a) / 1e6 for a, b in pairwise(stamps)]))
        return None

    def layer_times(self) -> list[list[NodeTime]]:
        return self._runs


class _CudaNet(_CpuNet):
    @torch.inference_mode()
    def run(self) -> float:
        events, x = [_recorded()], self._x
        for layer in self._net:
            x = layer(x)
            if self._profile:
                events.append(_recorded())
        events.append(_recorded())
        torch.cuda.synchronize(self._x.device)
        if self._profile:
            self._runs.append(_named([a.elapsed_time(b) for a, b in pairwise(events[:-1])]))
        return float(events[0].elapsed_time(events[-1]))


def _named(times_ms: list[float]) -> list[NodeTime]:
    return [NodeTime(f"{i:02d}/", ms) for i, ms in enumerate(times_ms)]


def _recorded() -> torch.cuda.Event:
    event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    event.record()
    return event


def _keep_freed_memory() -> None:
    """Stop glibc from returning freed memory to the system, which slows some networks."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_TRIM_THRESHOLD, 2**30)
            mallopt(_M_MMAP_THRESHOLD, 2**25)  # the largest value allowed
