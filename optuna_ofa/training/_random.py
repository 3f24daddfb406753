"""Seeding, saving and restoring the random states of python, numpy and torch."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

States = tuple[Any, ...]


def derived_seed(*key: int) -> int:
    """Return a seed that depends on several integers, such as the seed of a run and a step."""
    return int(np.random.SeedSequence(key).generate_state(1)[0])


def seed_all(seed: int) -> None:
    """Seed all global generators."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def get_states() -> States:
    """Return the states of all global generators."""
    on_gpu = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    cuda = torch.cuda.get_rng_state() if on_gpu else None
    return random.getstate(), np.random.get_state(), torch.get_rng_state(), cuda


def set_states(states: States) -> None:
    """Set what `get_states` returned."""
    python, numpy, cpu, cuda = states
    random.setstate(python)
    np.random.set_state(numpy)
    torch.set_rng_state(cpu)
    if cuda is not None:
        torch.cuda.set_rng_state(cuda)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed all global generators, and restore their states at the end."""
    outside = get_states()
    seed_all(seed)
    try:
        yield
    finally:
        set_states(outside)
