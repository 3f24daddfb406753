"""A device whose clock is the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

from optuna_ofa.graphs import SUFFIX, read_layers
from optuna_ofa.profiling import NodeTime
from optuna_ofa.space import Layer, SearchSpace

# few blocks, so that folders of graphs are small
SPACE = SearchSpace("ofa_mbv3_w1.0", resolution=[64, 96, 128]).restrict(
    depth=2, kernel=[3, 5], expand=[3, 4]
)


def true_ms(layer: Layer) -> float:
    """What a layer takes on the device: a constant, and so much a pixel and channel."""
    area = layer.in_size**2 + layer.out_size**2
    per_pixel = 1e-7 * (layer.in_channels + layer.mid_channels * layer.kernel)
    return 0.01 + per_pixel * area


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@dataclass
class Device:
    """A runtime whose networks take what `true_ms` says, times the device's drift.

    Args:
        profiles: Whether it tells the times of layers, which a profile makes 1.5 times longer.
        noise: Relative standard deviation of a run.
        breaks_on: Kernel size that it fails on.
        stops_after: Loads after which it is interrupted.
        dies_after: Loads after which every other one raises ``dies_with``.
        dies_with: What it raises then.
        stalls_after: Runs after which every other one raises.
        drift: How much slower it gets as it heats up.
        call_ms: What a run takes beyond its layers.
        cold_ms: What a run of several layers takes beyond that.
        spikes_on: A layer whose runs take twenty times as long, four of twelve.
        spikes_until: Loads after which there are no more spikes.
    """

    profiles: bool = True
    noise: float = 0.0
    breaks_on: int = 0
    stops_after: int = 10**9
    dies_after: int = 10**9
    dies_with: Exception = field(default_factory=lambda: RuntimeError("died"))
    stalls_after: int = 10**9
    drift: float = 0.5
    call_ms: float = 0.0
    cold_ms: float = 0.0
    spikes_on: Layer | None = None
    spikes_until: int = 10**9
    name: str = "fake"
    suffix: str = SUFFIX
    loaded: list[str] = field(default_factory=list)
    n_runs: int = 0
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def versions(self) -> dict[str, str]:
        return {"fake": "1"}

    def load(self, path: Path, *, profile: bool = False) -> _Network:
        if len(self.loaded) >= self.stops_after:
            raise KeyboardInterrupt
        if len(self.loaded) >= self.dies_after:
            raise self.dies_with
        layers, _ = read_layers(path)
        if any(layer.kernel == self.breaks_on for layer in layers):
            raise RuntimeError(f"no kernel of size {self.breaks_on}")
        self.loaded.append(path.name)
        beyond = self.call_ms + self.cold_ms * (len(layers) > 1)
        return _Network(self, layers, beyond)

    def now(self) -> float:
        """How slow the device is at present: it heats up, once."""
        self.n_runs += 1
        if self.n_runs > self.stalls_after:
            raise RuntimeError("stalled")
        return (1 + self.drift * (1 - 0.999**self.n_runs)) * np.exp(
            self.noise * self.rng.standard_normal()
        )

    def spike(self, layer: Layer, run: int) -> float:
        """How many times as long a run of a layer takes."""
        if layer != self.spikes_on or len(self.loaded) > self.spikes_until:
            return 1.0
        return 20.0 if run // 4 % 3 == 1 else 1.0


@dataclass
class _Network:
    device: Device
    layers: list[Layer]
    beyond_ms: float
    runs: list[list[NodeTime]] = field(default_factory=list)

    def run(self) -> float:
        factor = self.device.now()
        times = [true_ms(layer) * self.device.spike(layer, len(self.runs)) for layer in self.layers]
        self.runs.append([NodeTime(f"{i:02d}/op", ms * 1.5 * factor) for i, ms in enumerate(times)])
        return factor * (sum(times) + self.beyond_ms)

    def layer_times(self) -> list[list[NodeTime]]:
        return self.runs


@pytest.fixture
def device() -> Device:
    return Device()


@pytest.fixture
def make_device() -> type[Device]:
    return Device


@pytest.fixture
def space() -> SearchSpace:
    return SPACE


@pytest.fixture
def price() -> object:
    return true_ms
