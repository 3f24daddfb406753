"""What layers take in a network, from what they take alone and what networks take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from optuna_ofa.space import Layer

# Standard deviations, relative to what is measured: of a network that is measured, of what a layer
# takes in a network and alone, and of what a network takes beyond its layers.
_NETWORK, _LAYER, _BEYOND = 0.01, 0.1, 0.1
# Degrees of freedom of the layers' errors: most are small, and a few are several times as large.
_FREEDOM = 2
_ITERATIONS = 30


def in_context(
    alone: Mapping[Layer, float], networks: Sequence[tuple[Sequence[Layer], float]]
) -> dict[Layer, float]:
    """Latencies of layers that add up to those of networks.

    A layer alone has another place in memory, warm weights, and a call of the runtime to itself.
    The corrections are the most likely ones if errors are in proportion to what was measured,
    normal for networks and of Student's t distribution for layers (Gaussian conditioning,
    reweighted): one layer that is much too slow alone is found by the networks that have it. What
    networks take beyond their layers counts for the classifier, which each has once; what they take
    less is a call, which is taken off each other layer.

    Args:
        alone: Milliseconds of each layer alone.
        networks: Layers and milliseconds of whole networks; those with a layer that is not in
            ``alone`` do not count.

    Returns:
        Milliseconds by layer, never less than a tenth of those alone.
    """
    known = [(layers, ms) for layers, ms in networks if all(layer in alone for layer in layers)]
    if not known:
        return dict(alone)
    columns = {layer: i for i, layer in enumerate(alone)}
    counts = np.zeros((len(known), len(alone)))
    for row, (layers, _) in zip(counts, known, strict=True):
        for layer in layers:
            row[columns[layer]] += 1
    ms, measured = np.array(list(alone.values())), np.array([ms for _, ms in known])
    noise, beyond = np.diag((_NETWORK * measured) ** 2), (_BEYOND * np.median(measured)) ** 2
    error = np.zeros_like(ms)
    for _ in range(_ITERATIONS):
        prior = ((_LAYER * ms) ** 2 * _FREEDOM + error**2) / (_FREEDOM + 1)
        covariance = counts * prior @ counts.T + beyond + noise
        weights = np.linalg.solve(covariance, measured - counts @ ms)
        error = prior * (counts.T @ weights)
    extra = float(beyond * weights.sum())
    call = min(extra, 0.0) / (counts.sum(axis=1).mean() - 1)
    changes = [max(extra, 0.0) if layer.role == "classifier" else call for layer in alone]
    latencies = np.maximum(ms + error + changes, ms / 10)
    return dict(zip(alone, latencies.tolist(), strict=True))
