"""The seeds that were given to a study, stored for other processes."""

from __future__ import annotations

from collections.abc import Iterable

from optuna_ofa.storage import Store

# One system attribute for each seed, because several processes may write theirs at once.
_PREFIX = "optuna_ofa:seed:"


def given_seeds(store: Store) -> list[int]:
    """Return the seeds that `optuna_ofa.study` was given for a study, ascending."""
    keys = (key for key in store.attributes() if key.startswith(_PREFIX))
    texts = (key.removeprefix(_PREFIX) for key in keys)
    return sorted(int(text) for text in texts if text.isascii() and text.isdecimal())


def seed_attributes(seeds: Iterable[int]) -> dict[str, bool]:
    """Return the system attributes that store the seeds of a study."""
    return {f"{_PREFIX}{seed}": True for seed in seeds}
