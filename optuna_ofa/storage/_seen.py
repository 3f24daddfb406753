"""Evaluations that need not become trials, packed into system attributes of a study.

A study that keeps a part of its evaluations still needs all of them to continue as if it had never
been closed: a subnet is never evaluated twice, and children descend from the best of what was
evaluated, in the order in which it was. Each generation is stored whole, with 25 to 45 bytes an
evaluation of two objectives; a trial has several thousand.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._warnings import warn
from optuna_ofa.problem import Evaluated, Problem
from optuna_ofa.space import Matrix, SearchSpace

SEEN_KEY = "optuna_ofa:seen:"
# of a part; MySQL limits an attribute to 64 kB, enough for 15 values of each subnet
_N_ROWS = 350


class Seen(NamedTuple):
    """A generation, or a part of one.

    Args:
        evaluated: Subnets with their predictions, in the order of the search.
        kept: ``(n,)`` which of them became trials, in the same order.
        first: How many trials the study had before them.
    """

    evaluated: Evaluated
    kept: NDArray[np.bool_]
    first: int

    @property
    def n_unwritten(self) -> int:
        """How many of them did not become trials."""
        return int((~self.kept).sum())

    def attributes(self, problem: Problem, generation: str) -> dict[str, dict[str, Any]]:
        """Return system attributes of the study (JSON by key), in their order.

        Args:
            problem: The problem of the study.
            generation: The end of their keys, which is larger than any before.
        """
        return {
            f"{SEEN_KEY}{generation}:{i:03}": {
                "first": self.first,
                "kept": np.flatnonzero(self.kept[start : start + _N_ROWS]).tolist(),
                "packed": _packed(problem, self.evaluated.select(slice(start, start + _N_ROWS))),
            }
            for i, start in enumerate(range(0, len(self.kept), _N_ROWS))
        }

    @staticmethod
    def joined(problem: Problem, attributes: Mapping[str, Any]) -> Seen:
        """Return all evaluations that are in system attributes of a study, in their order.

        A row has the number of the first trial that is newer.

        Warns:
            UserWarning: One cannot be read, and is left out; its subnets may be evaluated again.
        """
        parts = [Seen(problem.nothing(), np.empty(0, dtype=bool), 0)]
        for key in sorted(key for key in attributes if key.startswith(SEEN_KEY)):
            try:
                parts.append(_of(problem, attributes[key]))
            except (LookupError, TypeError, ValueError, zlib.error) as error:  # changed by others
                warn(f"The attribute {key!r} of the study is passed over, because {error}.")
        evaluated, kept, firsts = zip(*parts, strict=True)
        return Seen(Evaluated.join(evaluated), np.concatenate(kept), firsts[-1])


def _of(problem: Problem, stored: Mapping[str, Any]) -> Seen:
    """Return what one attribute describes."""
    first = int(stored["first"])
    evaluated = _unpacked(problem, stored["packed"])
    kept = np.zeros(len(evaluated.matrix), dtype=bool)
    kept[stored["kept"]] = True
    return Seen(evaluated.numbered([first] * len(kept)), kept, first)


def _packed(problem: Problem, evaluated: Evaluated) -> str:
    """Return subnets and predictions as text."""
    genes, numbers = _indices(problem.space, evaluated.matrix), _numbers(problem, evaluated)
    # columns first, and of numbers all first bytes first, because these are alike
    parts = genes.T, numbers.T.copy().view(np.uint8).reshape(numbers.shape[1], -1, 8)
    whole = parts[0].tobytes() + parts[1].transpose(0, 2, 1).tobytes()
    return base64.b64encode(zlib.compress(whole, 9)).decode()


def _unpacked(problem: Problem, text: str) -> Evaluated:
    """Return what `_packed` was given.

    Raises:
        ValueError: If it is something else.
    """
    space = problem.space
    n_genes = len(space.genes)
    n_numbers = len(problem.objectives) + len(_unrelated(problem))
    index = _index_type(space)
    n_bytes = n_genes * index.itemsize + 8 * n_numbers
    packed = zlib.decompressobj().decompress(base64.b64decode(text), _N_ROWS * n_bytes)
    whole = np.frombuffer(packed, dtype=np.uint8)
    n = len(whole) // n_bytes
    genes, rest = np.split(whole, [n * n_genes * index.itemsize])
    indices_of_genes = genes.view(index).reshape(n_genes, n)
    numbers = rest.reshape(n_numbers, 8, n).transpose(0, 2, 1).copy().view("<f8")[:, :, 0].T
    values, others = np.split(numbers, [len(problem.objectives)], axis=1)
    pairs = zip(problem.objectives, values.T, strict=True)
    if not all(problem.possible(*pair).all() for pair in pairs):
        raise ValueError("it has impossible values")
    excess = np.empty((n, len(problem.constraints)))
    for j, name in enumerate(problem.constraints):
        if name in problem.objectives:
            excess[:, j] = problem.excess(name, values[:, problem.objectives.index(name)])
    excess[:, _unrelated(problem)] = others
    matrix = np.zeros((n, n_genes), dtype=np.int16)
    for column, indices, choices in zip(
        matrix.T, indices_of_genes, space.choices.values(), strict=True
    ):
        column[:] = np.array(choices)[indices]
    return Evaluated.of(space.canonicalize(matrix), values.astype(float), excess)


def _index_type(space: SearchSpace) -> np.dtype[Any]:
    """Return the type of indices of choices: one byte where that is enough."""
    return np.dtype("u1" if max(map(len, space.choices.values())) <= 256 else "<u2")


def _indices(space: SearchSpace, matrix: Matrix) -> NDArray[Any]:
    """Return the index of each choice, 0 of absent genes."""
    indices = np.zeros(matrix.shape, dtype=_index_type(space))
    for j, choices in enumerate(space.choices.values()):
        indices[:, j] = np.searchsorted(choices, matrix[:, j])
    return indices * space.active_genes(matrix)


def _numbers(problem: Problem, evaluated: Evaluated) -> NDArray[np.float64]:
    """Return values and excess, without that of objectives, which follows from the values."""
    excess = evaluated.excess[:, _unrelated(problem)]
    return np.concatenate([evaluated.values, excess], axis=1).astype("<f8")


def _unrelated(problem: Problem) -> list[int]:
    return [j for j, name in enumerate(problem.constraints) if name not in problem.objectives]
