"""Running several networks in turns, so that quiet and busy periods affect them equally."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._runtime import LoadedGraph, NodeTime

Times = NDArray[np.float64]


class Rounds(NamedTuple):
    """The times of several networks that took turns.

    Args:
        clock_ms: ``(n_networks, n_rounds)`` by the clock that the latency is read from: the
            process's CPU clock, or the device's own.
        wall_ms: ``(n_networks, n_rounds)`` by the wall clock, waiting for other processes included.
    """

    clock_ms: Times
    wall_ms: Times


def measure_rounds(
    networks: Sequence[LoadedGraph],
    *,
    n_rounds: int,
    n_inner: int = 3,
    clock: str = "cpu",
    tick: Callable[[], None] = lambda: None,
) -> Rounds:
    """Run every network in every round: once to fill the caches, then ``n_inner`` times.

    The order changes from round to round, so that none always runs after the same one.

    Args:
        networks: The networks.
        n_rounds: Rounds.
        n_inner: Timed runs of a network in a round; their median counts.
        clock: ``"cpu"``, the time of the process on processors, or ``"wall"``. Several threads need
            ``"wall"``: the CPU clock adds them up.
        tick: Called after each turn.
    """
    rng = np.random.default_rng(0)
    clock_ms = np.empty((len(networks), n_rounds))
    wall_ms = np.empty((len(networks), n_rounds))
    for r in range(n_rounds):
        for i in rng.permutation(len(networks)):
            network = networks[i]
            network.run()
            runs = [_timed(network, clock) for _ in range(n_inner)]
            clock_ms[i, r], wall_ms[i, r] = np.median(runs, axis=0)
            tick()
    return Rounds(clock_ms, wall_ms)


def _timed(network: LoadedGraph, clock: str) -> tuple[float, float]:
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    own_ms = network.run()
    cpu_ms = (time.process_time_ns() - cpu) / 1e6
    wall_ms = (time.perf_counter_ns() - wall) / 1e6
    if own_ms is not None:
        return own_ms, wall_ms
    return (cpu_ms if clock == "cpu" else wall_ms), wall_ms


def by_layer(nodes: Sequence[NodeTime], n_layers: int) -> list[float]:
    """Return milliseconds of each layer of a run; others count towards the last one."""
    times = [0.0] * n_layers
    layer = 0
    for node in nodes:
        index = node.name.split("/", 1)[0]
        if "/" in node.name and index.isdigit() and int(index) < n_layers:
            layer = int(index)
        times[layer] += node.ms
    return [max(ms, 0.0) for ms in times]  # differences of rounded times may be below zero


Progress = Callable[[int, int, float], None]
# Seconds between two reports.
_INTERVAL = 0.5


class TurnCounter:
    """A counter of turns of networks that reports them as graphs.

    Args:
        n_done: Graphs that were done before.
        n_left: Graphs that remain.
        turns: Turns that each of them takes.
        progress: Called with the graphs done, the total, and the estimated seconds left.
    """

    def __init__(self, n_done: int, n_left: int, turns: int, progress: Progress) -> None:
        self._before, self._left, self._turns = n_done, n_left, turns
        self._progress = progress
        self._count = 0
        self._start = self._reported = time.monotonic()

    def tick(self) -> None:
        """Count one turn of one network."""
        self._count += 1
        now = time.monotonic()
        if now - self._reported > _INTERVAL:
            self._reported = now
            self._report(min(self._count / self._turns, self._left))

    def finish(self, n_graphs: int) -> None:
        """Set the number of graphs that are done, regardless of the turns counted."""
        self._count = n_graphs * self._turns
        self._report(n_graphs)

    def _report(self, done: float) -> None:
        left = (time.monotonic() - self._start) / done * (self._left - done) if done else 0.0
        self._progress(self._before + int(done), self._before + self._left, left)
