"""Genotypes of what trials have stored, where some of them may have stored anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial

from optuna_ofa._errors import InvalidSubnetError
from optuna_ofa.space import SearchSpace
from optuna_ofa.space._space import Matrix
from optuna_ofa.studies._subnet_attr import rows_of_texts, subnet_rows

T = TypeVar("T")
Decoded = tuple[Matrix, NDArray[np.bool_]]
_ERRORS = (InvalidSubnetError, KeyError, TypeError, ValueError, OverflowError)


def decode_texts(space: SearchSpace, texts: Sequence[str]) -> Decoded:
    """Rows of subnets from their JSON, and which texts are of subnets of the space."""

    def convert(part: Sequence[str]) -> Matrix:
        try:
            return space.check(rows_of_texts(space.family, part))
        except ValueError:  # written by others, such as with other spaces in the JSON
            return space.check(subnet_rows(space.family, [json.loads(text) for text in part]))

    return _decode(space, texts, convert)


def _decode_dicts(space: SearchSpace, subnets: Sequence[Mapping[str, Any]]) -> Decoded:
    """Rows of subnets from what `Subnet.to_dict` gives, and which are of the space."""
    return _decode(space, subnets, lambda part: space.check(subnet_rows(space.family, part)))


def decode_params(space: SearchSpace, params: Sequence[Mapping[str, Any]]) -> Decoded:
    """Rows of subnets from trials' parameters, and which have all those of the space."""
    return _decode(space, params, space.from_params)


def decode_trials(space: SearchSpace, trials: Sequence[FrozenTrial]) -> Decoded:
    """Rows of subnets of Optuna's trials, and which are of the space."""
    ours = np.array(["subnet" in trial.user_attrs for trial in trials], dtype=bool)
    subnets = [t.user_attrs["subnet"] for t in trials if "subnet" in t.user_attrs]
    params = [t.params for t in trials if "subnet" not in t.user_attrs]
    matrix = np.zeros((len(trials), len(space.genes)), dtype=np.int16)
    good = np.zeros(len(trials), dtype=bool)
    matrix[ours], good[ours] = _decode_dicts(space, subnets)
    matrix[~ours], good[~ours] = decode_params(space, params)
    return matrix, good


def _decode(
    space: SearchSpace, items: Sequence[T], convert: Callable[[Sequence[T]], Matrix]
) -> Decoded:
    """Convert all that can be converted, which is found by halving.

    What cannot is not of the space, such as from before it was restricted.
    """
    try:
        return convert(items), np.ones(len(items), dtype=bool)
    except _ERRORS:
        if len(items) < 2:
            matrix = np.zeros((len(items), len(space.genes)), dtype=np.int16)
            return matrix, np.zeros(len(items), dtype=bool)
    half = len(items) // 2
    (first, first_good), (second, second_good) = (
        _decode(space, part, convert) for part in (items[:half], items[half:])
    )
    return np.concatenate([first, second]), np.concatenate([first_good, second_good])
