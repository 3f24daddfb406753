"""Running several networks in turns, so that none of them has the quiet minutes to itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._runtime import Network, NodeTime

Times = NDArray[np.float64]


class Rounds(NamedTuple):
    """Times of several networks that took turns.

    Args:
        clock_ms: ``(n_networks, n_rounds)`` by the clock that the latency is read from: the
            process's CPU clock, or the device's own.
        wall_ms: ``(n_networks, n_rounds)`` by the wall clock, waiting for others included.
    """

    clock_ms: Times
    wall_ms: Times


def measure_rounds(
    networks: Sequence[Network],
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
        clock: ``"cpu"``, what the process computed for, or ``"wall"``. Several threads need
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


def _timed(network: Network, clock: str) -> tuple[float, float]:
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    own_ms = network.run()
    cpu_ms = (time.process_time_ns() - cpu) / 1e6
    wall_ms = (time.perf_counter_ns() - wall) / 1e6
    if own_ms is not None:
        return own_ms, wall_ms
    return (cpu_ms if clock == "cpu" else wall_ms), wall_ms


def by_layer(nodes: Sequence[NodeTime], n_layers: int) -> list[float]:
    """Milliseconds of each layer in one run; operators that no layer named count for the last."""
    times = [0.0] * n_layers
    layer = 0
    for node in nodes:
        index = node.name.split("/", 1)[0]
        if "/" in node.name and index.isdigit() and int(index) < n_layers:
            layer = int(index)
        times[layer] += node.ms
    return [max(ms, 0.0) for ms in times]  # differences of rounded times may be below zero
