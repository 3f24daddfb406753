"""The searches that are compared on listed networks, as each is set by default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from _listed_optuna import in_optuna, rustuna_nsgaii
from _listed_ours import evolving, surrogate
from _listed_runs import Tape
from optuna.samplers import GPSampler, NSGAIISampler, TPESampler

from optuna_ofa import samplers

N_MOST = 1_000


class Search(NamedTuple):
    """A search.

    Args:
        run: Measures on a tape, from a seed, until it has enough.
        n_most: How many measurements at most.
        n_seeds: How many seeds at most; fewer where a run takes minutes.
    """

    run: Callable[[Tape, int], None]
    n_most: int = N_MOST
    n_seeds: int = 20


def random(tape: Tape, seed: int) -> None:
    """Listed networks in a random order."""
    for place in np.random.default_rng(seed).permutation(len(tape.listed.matrix)).tolist():
        tape.measure(place)


def pymoo(tape: Tape, seed: int) -> None:
    """pymoo's NSGA-II."""
    from _listed_pymoo import search

    search(tape, seed)


def botorch(tape: Tape, seed: int) -> None:
    """BoTorch's qLogNEHVI, whose package is not needed for anything else."""
    from _listed_botorch import search

    search(tape, seed)


SEARCHES: Mapping[str, Search] = {
    "SurrogateSampler": Search(surrogate),
    "EvolutionarySampler": Search(evolving(samplers.EvolutionarySampler)),
    "NSGAIISampler": Search(evolving(samplers.NSGAIISampler)),
    "Optuna TPE": Search(in_optuna(lambda seed: TPESampler(seed=seed)), 300),
    "Optuna GP": Search(in_optuna(lambda seed: GPSampler(seed=seed)), 120, 1),
    "Optuna NSGA-II": Search(in_optuna(lambda seed: NSGAIISampler(seed=seed))),
    "Rustuna NSGA-II": Search(rustuna_nsgaii, 3_000),
    "pymoo NSGA-II": Search(pymoo, 3_000),
    "BoTorch qLogNEHVI": Search(botorch, 120, 1),
    "random": Search(random, 10_000),
}
