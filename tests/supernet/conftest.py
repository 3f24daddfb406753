"""The supernets of the ``ofa`` package, and ours with the same weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import torch

from optuna_ofa.space import SearchSpace, Subnet, get_family, subnet_of
from optuna_ofa.supernet import Supernet, load_supernet


class Pair(NamedTuple):
    """A supernet of the ``ofa`` package, its checkpoint, and ours loaded from it."""

    theirs: Any
    ours: Supernet
    checkpoint: Path


@pytest.fixture(scope="session", autouse=True)
def _one_thread(one_thread: None) -> None:
    """Small networks are faster so, and give the same numbers on every machine."""


@pytest.fixture(scope="session")
def make_pair(
    reference: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Pair]:
    """Build the pair of a family, once a session."""
    folder = tmp_path_factory.mktemp("checkpoints")

    @cache
    def make(name: str) -> Pair:
        theirs = reference.reference_supernet(get_family(name), seed=1)
        path = folder / f"{name}.pth"
        torch.save({"state_dict": theirs.state_dict()}, path)
        return Pair(theirs, load_supernet(name, weights=path), path)

    return make


@pytest.fixture
def pair(make_pair: Callable[[str], Pair], family_name: str) -> Pair:
    """The pair of the test's family, ours in eval mode with the largest subnet active."""
    made = make_pair(family_name)
    made.ours.eval().activate(SearchSpace(family_name).largest())
    return made


@pytest.fixture
def draw() -> Callable[..., list[Subnet]]:
    """Draw random subnets of a family."""

    def subnets(name: str, n: int, seed: int = 0) -> list[Subnet]:
        space = SearchSpace(name)
        return [subnet_of(space.family, row) for row in space.sample(n, seed=seed).tolist()]

    return subnets
