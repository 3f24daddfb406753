"""Genotypes of what trials have stored, where some of them may have stored anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial

from optuna_ofa._errors import InvalidSubnetError
from optuna_ofa.space import SearchSpace
from optuna_ofa.space._space import Matrix
from optuna_ofa.studies._halving import Items, in_parts
from optuna_ofa.studies.storage._subnet_attr import rows_of_texts, subnet_rows

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


def _decode(space: SearchSpace, items: Items, convert: Callable[[Items], Matrix]) -> Decoded:
    """Convert all that can be converted.

    What cannot is not of the space, such as from before it was restricted.
    """
    nothing = np.zeros((1, len(space.genes)), dtype=np.int16)
    parts = in_parts(convert, items, _ERRORS)
    rows = [nothing if isinstance(part, Exception) else part for _, part in parts]
    good = [not isinstance(part, Exception) for n, part in parts for _ in range(n)]
    return np.concatenate([nothing[:0], *rows]), np.array(good, dtype=bool)
