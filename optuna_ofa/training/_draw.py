"""Drawing the subnets of a step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optuna_ofa.space import SearchSpace, Subnet, subnet_of


def draw_subnets(space: SearchSpace, n: int, rng: np.random.Generator) -> list[Subnet]:
    """Random subnets, each choice as likely as another."""
    return [subnet_of(space.family, row) for row in space.sample(n, seed=rng).tolist()]


def draw_resolution(space: SearchSpace, rng: np.random.Generator) -> int:
    """A random resolution in pixels."""
    return space.resolutions[rng.integers(len(space.resolutions))]


def at_resolution(subnet: Subnet, resolution: int) -> Subnet:
    """The same subnet for images of another size."""
    return replace(subnet, resolution=resolution)
